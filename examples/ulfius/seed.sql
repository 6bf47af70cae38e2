-- The table of the example server, with a few people in it.
-- The server runs this with --seed: statements end with a semicolon at the end of a line.

CREATE TABLE IF NOT EXISTS users (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    city VARCHAR(100) NOT NULL,
    KEY by_city (city)
) DEFAULT CHARSET = utf8mb4;

INSERT IGNORE INTO users (id, name, city) VALUES
    (1, 'Ada', 'London'),
    (2, 'Grace', 'New York'),
    (3, 'Sejong', 'Seoul'),
    (4, 'Hedy', 'Vienna'),
    (5, 'Alan', 'London');
