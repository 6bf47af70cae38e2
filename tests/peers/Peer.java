/* HikariCP with MariaDB's Java connector, on the work of poolbench. Usage: see build. */
import com.sun.management.OperatingSystemMXBean;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.Arrays;
import java.util.concurrent.ThreadLocalRandom;

public class Peer {
    static volatile boolean stop;

    static class Caller extends Thread {
        final HikariDataSource pool;
        final boolean query;
        long operations;
        int measured;
        final long[] latencies;

        Caller(HikariDataSource pool, boolean query) {
            this.pool = pool;
            this.query = query;
            latencies = new long[query ? 1 << 20 : 0];
        }

        void oneQuery() throws Exception {
            int key = ThreadLocalRandom.current().nextInt(100000) + 1;
            try (Connection connection = pool.getConnection();
                 PreparedStatement statement = connection.prepareStatement(
                     "SELECT id, name, v FROM poolbench WHERE id = ?")) {
                statement.setInt(1, key);
                try (ResultSet row = statement.executeQuery()) {
                    if (!row.next() || row.getInt(1) != key || row.getString(2) == null)
                        throw new IllegalStateException("wrong row");
                    row.getDouble(3);
                }
            }
        }

        void cycles() throws Exception {
            while (!stop) {
                pool.getConnection().close();
                operations++;
            }
        }

        void queries() throws Exception {
            while (!stop) {
                long start = System.nanoTime();
                oneQuery();
                operations++;
                if (measured < latencies.length)
                    latencies[measured++] = System.nanoTime() - start;
            }
        }

        @Override public void run() {
            try {
                if (query)
                    queries();
                else
                    cycles();
            } catch (Exception e) {
                e.printStackTrace();
                System.exit(1);
            }
        }
    }

    static long cpuTime() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    static void measure(HikariDataSource pool, int callers, double seconds, boolean query, boolean print)
            throws Exception {
        Caller[] all = new Caller[callers];
        stop = false;
        long cpu = cpuTime(), start = System.nanoTime();
        for (int i = 0; i < callers; i++)
            (all[i] = new Caller(pool, query)).start();
        Thread.sleep((long) (seconds * 1000));
        stop = true;
        long operations = 0;
        for (Caller caller : all) {
            caller.join();
            operations += caller.operations;
        }
        double elapsed = (System.nanoTime() - start) / 1e9;
        cpu = cpuTime() - cpu;
        long[] latencies = Arrays.stream(all)
            .flatMapToLong(c -> Arrays.stream(c.latencies, 0, c.measured)).sorted().toArray();
        if (latencies.length == 0)
            latencies = new long[1];
        if (print)
            System.out.printf("HikariCP %.0f %.1f %.1f %.2f%n", operations / elapsed,
                latencies[latencies.length / 2] / 1e3, latencies[(int) (latencies.length * .99)] / 1e3,
                cpu / 1e3 / operations);
    }

    public static void main(String[] args) throws Exception {
        int callers = Integer.parseInt(args[0]), connections = Integer.parseInt(args[1]);
        double seconds = Double.parseDouble(args[2]);
        boolean query = args[3].equals("query");
        if (!query && !args[3].equals("cycle"))
            throw new IllegalArgumentException("no such work: " + args[3]);
        URI url = new URI(System.getenv("MYPOOL_URL"));
        String[] user = url.getUserInfo().split(":");
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl("jdbc:mariadb://" + url.getHost() + ":" + url.getPort() + url.getPath()
            + "?useServerPrepStmts=true&cachePrepStmts=true");
        config.setUsername(user[0]);
        config.setPassword(user[1]);
        config.setMaximumPoolSize(connections);
        config.setMinimumIdle(connections);
        try (HikariDataSource pool = new HikariDataSource(config)) {
            measure(pool, callers, 2, query, false); /* for the compiler */
            measure(pool, callers, seconds, query, true);
        }
    }
}
