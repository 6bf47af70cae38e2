/*
 * The built-in functions of MariaDB and MySQL, and the keywords before a parenthesis.
 *
 * This is data for inspect.c, which takes every other call for one of a stored function. A name
 * that is missing costs a reset; one that should not be here hides what a stored function
 * does. So the keywords are only those that no server lets a function be called by without
 * quotes, and functions with the locks and the sequences that inspect.c vetoes are left out, as
 * are those of Galera and the old names of the ST_ functions (AREA, WITHIN and so on), which
 * another server may leave to its users.
 *
 * The lists join those of MariaDB 10.11 (information_schema.SQL_FUNCTIONS, and each name
 * tried with a server) and of MySQL 8. The two are not told apart: a stored function with
 * the name of what only the other server has built in goes unseen, and so does one called
 * POINT with other than two arguments.
 *
 * The tables are in the order of ASCII capitals, in which `_` comes after the letters.
 */
#include "sql/builtins.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The column types are for JSON_TABLE and CONVERT; they are reserved words. */
static const char *const keywords[] = {
    "ALL",      "AND",           "ANY",     "AS",      "BETWEEN",  "BIGINT",      "BINARY",
    "BY",       "CASE",          "DEC",     "DECIMAL", "DISTINCT", "DISTINCTROW", "DIV",
    "DOUBLE",   "ELSE",          "EXCEPT",  "EXISTS",  "FLOAT",    "FOR",         "FROM",
    "GROUP",    "HAVING",        "IN",      "INDEX",   "INT",      "INTEGER",     "INTERSECT",
    "INTERVAL", "INTO",          "JOIN",    "KEY",     "LIKE",     "LIMIT",       "MEDIUMINT",
    "MOD",      "NOT",           "NUMERIC", "ON",      "OR",       "OVER",        "PARTITION",
    "REAL",     "REGEXP",        "RLIKE",   "ROW",     "SELECT",   "SET",         "SMALLINT",
    "SOME",     "STRAIGHT_JOIN", "THEN",    "TINYINT", "UNION",    "USING",       "VALUE",
    "VALUES",   "VARBINARY",     "VARCHAR", "WHEN",    "WHERE",    "XOR",
};

/* clang-format off */
static const char *const functions[] = {
    "ABS", "ACOS", "ADDTIME", "ADD_MONTHS", "AES_DECRYPT", "AES_ENCRYPT", "ANY_VALUE",
    "ASCII", "ASIN", "ATAN", "ATAN2", "AVG", "BENCHMARK", "BIN", "BIN_TO_UUID", "BIT_COUNT",
    "BIT_LENGTH", "CEIL", "CEILING", "CHAR", "CHARACTER_LENGTH", "CHARSET", "CHAR_LENGTH",
    "CHR", "COALESCE", "COERCIBILITY", "COLLATION", "COLUMN_ADD", "COLUMN_CHECK",
    "COLUMN_CREATE", "COLUMN_DELETE", "COLUMN_EXISTS", "COLUMN_GET", "COLUMN_JSON",
    "COLUMN_LIST", "COMPRESS", "CONCAT", "CONCAT_WS", "CONNECTION_ID", "CONV", "CONVERT",
    "CONVERT_TZ", "COS", "COT", "CRC32", "CRC32C", "CURRENT_DATE", "CURRENT_ROLE",
    "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "DATABASE", "DATE", "DATEDIFF",
    "DATE_FORMAT", "DAY", "DAYNAME", "DAYOFMONTH", "DAYOFWEEK", "DAYOFYEAR", "DECODE",
    "DEFAULT", "DEGREES", "DES_DECRYPT", "DES_ENCRYPT", "ELT", "ENCODE", "ENCRYPT", "EXP",
    "EXPORT_SET", "EXTRACTVALUE", "FIELD", "FIND_IN_SET", "FLOOR", "FORMAT", "FORMAT_BYTES",
    "FORMAT_PICO_TIME", "FOUND_ROWS", "FROM_BASE64", "FROM_DAYS", "FROM_UNIXTIME",
    "GEOMCOLLECTION", "GEOMETRYCOLLECTION", "GET_FORMAT", "GREATEST", "GROUPING",
    "GTID_SUBSET", "GTID_SUBTRACT", "HEX", "HOUR", "ICU_VERSION", "IF", "IFNULL",
    "INET6_ATON", "INET6_NTOA", "INET_ATON", "INET_NTOA", "INSERT", "INSTR", "ISNULL",
    "IS_FREE_LOCK", "IS_IPV4", "IS_IPV4_COMPAT", "IS_IPV4_MAPPED", "IS_IPV6", "IS_USED_LOCK",
    "IS_UUID", "JSON_ARRAY", "JSON_ARRAY_APPEND", "JSON_ARRAY_INSERT", "JSON_COMPACT",
    "JSON_CONTAINS", "JSON_CONTAINS_PATH", "JSON_DEPTH", "JSON_DETAILED", "JSON_EQUALS",
    "JSON_EXISTS", "JSON_EXTRACT", "JSON_INSERT", "JSON_KEYS", "JSON_LENGTH", "JSON_LOOSE",
    "JSON_MERGE", "JSON_MERGE_PATCH", "JSON_MERGE_PRESERVE", "JSON_NORMALIZE", "JSON_OBJECT",
    "JSON_OVERLAPS", "JSON_PRETTY", "JSON_QUERY", "JSON_QUOTE", "JSON_REMOVE", "JSON_REPLACE",
    "JSON_SCHEMA_VALID", "JSON_SCHEMA_VALIDATION_REPORT", "JSON_SEARCH", "JSON_SET",
    "JSON_STORAGE_FREE", "JSON_STORAGE_SIZE", "JSON_TABLE", "JSON_TYPE", "JSON_UNQUOTE",
    "JSON_VALID", "JSON_VALUE", "LASTVAL", "LAST_DAY", "LAST_INSERT_ID", "LAST_VALUE",
    "LCASE", "LEAST", "LEFT", "LENGTH", "LENGTHB", "LINESTRING", "LN", "LOAD_FILE",
    "LOCALTIME", "LOCALTIMESTAMP", "LOCATE", "LOG", "LOG10", "LOG2", "LOWER", "LPAD", "LTRIM",
    "MAKEDATE", "MAKETIME", "MAKE_SET", "MASTER_GTID_WAIT", "MASTER_POS_WAIT", "MATCH",
    "MBRCONTAINS", "MBRCOVEREDBY", "MBRCOVERS", "MBRDISJOINT", "MBREQUAL", "MBREQUALS",
    "MBRINTERSECTS", "MBROVERLAPS", "MBRTOUCHES", "MBRWITHIN", "MD5", "MICROSECOND", "MINUTE",
    "MONTH", "MONTHNAME", "MULTILINESTRING", "MULTIPOINT", "MULTIPOLYGON", "NAME_CONST",
    "NATURAL_SORT_KEY", "NULLIF", "NVL", "NVL2", "OCT", "OCTET_LENGTH", "OLD_PASSWORD", "ORD",
    "PASSWORD", "PERIOD_ADD", "PERIOD_DIFF", "PI", "POINT", "POLYGON", "POW", "POWER",
    "PS_CURRENT_THREAD_ID", "PS_THREAD_ID", "QUARTER", "QUOTE", "RADIANS", "RAND",
    "RANDOM_BYTES", "REGEXP_INSTR", "REGEXP_LIKE", "REGEXP_REPLACE", "REGEXP_SUBSTR",
    "REPEAT", "REPLACE", "REVERSE", "RIGHT", "ROLES_GRAPHML", "ROUND", "ROWNUM", "ROW_COUNT",
    "ROW_NUMBER", "RPAD", "RTRIM", "SCHEMA", "SECOND", "SEC_TO_TIME", "SFORMAT", "SHA",
    "SHA1", "SHA2", "SIGN", "SIN", "SLEEP", "SOUNDEX", "SOURCE_POS_WAIT", "SPACE", "SQRT",
    "STATEMENT_DIGEST", "STATEMENT_DIGEST_TEXT", "STRCMP", "STR_TO_DATE", "ST_AREA",
    "ST_ASBINARY", "ST_ASGEOJSON", "ST_ASTEXT", "ST_ASWKB", "ST_ASWKT", "ST_BOUNDARY",
    "ST_BUFFER", "ST_BUFFER_STRATEGY", "ST_CENTROID", "ST_CONTAINS", "ST_CONVEXHULL",
    "ST_CROSSES", "ST_DIFFERENCE", "ST_DIMENSION", "ST_DISJOINT", "ST_DISTANCE",
    "ST_DISTANCE_SPHERE", "ST_ENDPOINT", "ST_ENVELOPE", "ST_EQUALS", "ST_EXTERIORRING",
    "ST_FRECHETDISTANCE", "ST_GEOHASH", "ST_GEOMCOLLFROMTEXT", "ST_GEOMCOLLFROMTXT",
    "ST_GEOMCOLLFROMWKB", "ST_GEOMETRYCOLLECTIONFROMTEXT", "ST_GEOMETRYCOLLECTIONFROMWKB",
    "ST_GEOMETRYFROMTEXT", "ST_GEOMETRYFROMWKB", "ST_GEOMETRYN", "ST_GEOMETRYTYPE",
    "ST_GEOMFROMGEOJSON", "ST_GEOMFROMTEXT", "ST_GEOMFROMWKB", "ST_HAUSDORFFDISTANCE",
    "ST_INTERIORRINGN", "ST_INTERSECTION", "ST_INTERSECTS", "ST_ISCLOSED", "ST_ISEMPTY",
    "ST_ISRING", "ST_ISSIMPLE", "ST_ISVALID", "ST_LATFROMGEOHASH", "ST_LATITUDE", "ST_LENGTH",
    "ST_LINEFROMTEXT", "ST_LINEFROMWKB", "ST_LINEINTERPOLATEPOINT",
    "ST_LINEINTERPOLATEPOINTS", "ST_LINESTRINGFROMTEXT", "ST_LINESTRINGFROMWKB",
    "ST_LONGFROMGEOHASH", "ST_LONGITUDE", "ST_MAKEENVELOPE", "ST_MLINEFROMTEXT",
    "ST_MLINEFROMWKB", "ST_MPOINTFROMTEXT", "ST_MPOINTFROMWKB", "ST_MPOLYFROMTEXT",
    "ST_MPOLYFROMWKB", "ST_MULTILINESTRINGFROMTEXT", "ST_MULTILINESTRINGFROMWKB",
    "ST_MULTIPOINTFROMTEXT", "ST_MULTIPOINTFROMWKB", "ST_MULTIPOLYGONFROMTEXT",
    "ST_MULTIPOLYGONFROMWKB", "ST_NUMGEOMETRIES", "ST_NUMINTERIORRING", "ST_NUMINTERIORRINGS",
    "ST_NUMPOINTS", "ST_OVERLAPS", "ST_POINTATDISTANCE", "ST_POINTFROMGEOHASH",
    "ST_POINTFROMTEXT", "ST_POINTFROMWKB", "ST_POINTN", "ST_POINTONSURFACE",
    "ST_POLYFROMTEXT", "ST_POLYFROMWKB", "ST_POLYGONFROMTEXT", "ST_POLYGONFROMWKB",
    "ST_RELATE", "ST_SIMPLIFY", "ST_SRID", "ST_STARTPOINT", "ST_SWAPXY", "ST_SYMDIFFERENCE",
    "ST_TOUCHES", "ST_TRANSFORM", "ST_UNION", "ST_VALIDATE", "ST_WITHIN", "ST_X", "ST_Y",
    "SUBSTRING_INDEX", "SUBTIME", "SYS_GUID", "TAN", "TIME", "TIMEDIFF", "TIMESTAMP",
    "TIMESTAMPADD", "TIMESTAMPDIFF", "TIME_FORMAT", "TIME_TO_SEC", "TO_BASE64", "TO_CHAR",
    "TO_DAYS", "TO_SECONDS", "TRUNCATE", "UCASE", "UNCOMPRESS", "UNCOMPRESSED_LENGTH",
    "UNHEX", "UNIX_TIMESTAMP", "UPDATEXML", "UPPER", "USER", "UTC_DATE", "UTC_TIME",
    "UTC_TIMESTAMP", "UUID", "UUID_SHORT", "UUID_TO_BIN", "VALIDATE_PASSWORD_STRENGTH",
    "VERSION", "WAIT_FOR_EXECUTED_GTID_SET", "WEEK", "WEEKDAY", "WEEKOFYEAR", "WEIGHT_STRING",
    "YEAR", "YEARWEEK",
};
/* clang-format on */

/* With a blank before the parenthesis, and without the SQL mode IGNORE_SPACE, the server
 * looks for a stored function of that name. */
/* clang-format off */
static const char *const tight_functions[] = {
    "ADDDATE", "BIT_AND", "BIT_OR", "BIT_XOR", "CAST", "COUNT", "CUME_DIST", "CURDATE",
    "CURTIME", "DATE_ADD", "DATE_SUB", "DENSE_RANK", "EXTRACT", "FIRST_VALUE", "GROUP_CONCAT",
    "JSON_ARRAYAGG", "JSON_OBJECTAGG", "LAG", "LEAD", "MAX", "MEDIAN", "MID", "MIN", "NOW",
    "NTH_VALUE", "NTILE", "PERCENTILE_CONT", "PERCENTILE_DISC", "PERCENT_RANK", "POSITION",
    "RANK", "SESSION_USER", "STD", "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "ST_COLLECT",
    "SUBDATE", "SUBSTR", "SUBSTRING", "SUM", "SYSDATE", "SYSTEM_USER", "TRIM", "VARIANCE",
    "VAR_POP", "VAR_SAMP",
};
/* clang-format on */

struct name {
    const char *text;
    size_t len;
};

/* Not strncasecmp, which follows the locale. */
static int compare(const void *key, const void *entry)
{
    const struct name *name = key;
    const char *other = *(const char *const *)entry;
    for (size_t i = 0; i < name->len; i++) {
        char c = name->text[i];
        char upper = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        if (upper != other[i]) /* also at the end of the other: the name has no NUL */
            return (unsigned char)upper < (unsigned char)other[i] ? -1 : 1;
    }
    return other[name->len] == '\0' ? 0 : -1;
}

static bool is_in(const struct name *name, const char *const *table, size_t count)
{
    return bsearch(name, table, count, sizeof *table, compare) != NULL;
}

enum pool__builtins_kind pool__builtins_kind(const char *name, size_t len)
{
    struct name key = {name, len};
    if (is_in(&key, keywords, COUNT(keywords)))
        return POOL__BUILTINS_KEYWORD;
    if (is_in(&key, functions, COUNT(functions)))
        return POOL__BUILTINS_FUNCTION;
    return is_in(&key, tight_functions, COUNT(tight_functions)) ? POOL__BUILTINS_TIGHT_FUNCTION
                                                                : POOL__BUILTINS_UNKNOWN;
}
