/*
 * The names that somebody brings along who has used another driver: mysql2 and mysqljs,
 * JDBC with HikariCP, Go's driver, SQLAlchemy with PyMySQL, libzdb, PHP, the command line.
 *
 * Nothing here is accepted in the place of our own names, since the same word often
 * means something else, or another unit, elsewhere. The table only lets the error say
 * what the option is called here, or why there is none. No state, no locks; any thread.
 */
#include "config/hints.h"

#include <ctype.h>

#define CHARSET "the charset is always utf8mb4, and 'collation' chooses a collation"
#define CIPHERS "TLS is 1.2 or 1.3 with the ciphers of the system, see 'tls'"
#define STORE "PEM files are named by 'tlsCa', 'tlsCert' and 'tlsKey'"
#define PLUGINS "what the server may ask for is listed by 'authPlugins'"
#define TESTED "dead connections are taken out without a test statement, see 'keepalive'"
#define TIMEOUTS                                                                                   \
    "there are 'connectTimeout' (one connect), 'acquireTimeout' (wait for a connection) and "      \
    "'queryTimeout' (one statement)"
#define INIT "statements for each session are the option init_sql, which a URL cannot give"
#define VARIABLES "give each variable as a parameter var.NAME=value"
#define INFILE "LOCAL INFILE is always off"
#define NO_RECONNECT "lost connections are replaced by themselves, and statements not repeated"
#define NO_COMPRESSION "compression is not supported"
#define GETTERS "no conversion is to be chosen: the getters read a value as text, number or time"
#define BATCHES "pool_batch uses bulk packets by itself"
#define STREAMS "rows are streamed by pool_stream, and limited by 'maxRows' and 'maxResultBytes'"
#define NO_OVERFLOW "there are never more connections than 'connectionLimit'"

/* clang-format off */
static const struct pool__hint hints[] = {
    {"charset", CHARSET}, {"characterencoding", CHARSET}, {"encoding", CHARSET},
    {"characterset", CHARSET}, {"charactersetresults", CHARSET}, {"defaultcharacterset", CHARSET},
    {"useunicode", CHARSET},
    {"defaultautocommit", "'autocommit'"},
    {"foundrows", "'useAffectedRows'"}, {"clientfoundrows", "'useAffectedRows'"},
    {"connectioncollation", "'collation'"}, {"collationconnection", "'collation'"},

    {"ssl", "'tls'"}, {"usessl", "'tls'"}, {"sslmode", "'tls'"}, {"requiressl", "'tls'"},
    {"tlsmode", "'tls'"}, {"sslenabled", "'tls'"}, {"ssldisabled", "'tls'"}, {"usetls", "'tls'"},
    {"verifyservercertificate", "'tls'"}, {"trustservercertificate", "'tls'"},
    {"sslverifycert", "'tls'"}, {"sslverifyidentity", "'tls'"},
    {"sslverifyservercert", "'tls'"}, {"rejectunauthorized", "'tls'"},
    {"disablesslhostnameverification", "'tls'"},
    {"sslca", "'tlsCa'"}, {"cafile", "'tlsCa'"}, {"ca", "'tlsCa'"}, {"sslrootcert", "'tlsCa'"},
    {"serversslcert", "'tlsCa'"}, {"sslcapath", "'tlsCa'"},
    {"sslcert", "'tlsCert'"}, {"sslkey", "'tlsKey'"},
    {"trustcertificatekeystoreurl", STORE}, {"clientcertificatekeystoreurl", STORE},
    {"truststore", STORE}, {"keystore", STORE},
    {"sslcipher", CIPHERS}, {"tlsversion", CIPHERS}, {"tlsversions", CIPHERS},
    {"tlsciphersuites", CIPHERS}, {"enabledtlsprotocols", CIPHERS},
    {"enabledsslprotocolsuites", CIPHERS}, {"enabledsslciphersuites", CIPHERS},

    {"allowpublickeyretrieval", PLUGINS}, {"serverpubkey", PLUGINS},
    {"serverrsapublickeyfile", PLUGINS}, {"getserverpublickey", PLUGINS},
    {"allowcleartextpasswords", PLUGINS}, {"enablecleartextplugin", PLUGINS},
    {"allownativepasswords", PLUGINS}, {"allowoldpasswords", PLUGINS},
    {"defaultauth", PLUGINS}, {"authplugin", PLUGINS}, {"defaultauthenticationplugin", PLUGINS},
    {"authenticationplugins", PLUGINS}, {"restrictedauth", PLUGINS}, {"insecureauth", PLUGINS},

    {"unixsocket", "'socketPath'"}, {"localsocket", "'socketPath'"},
    {"unixsock", "'socketPath'"}, {"socketfile", "'socketPath'"},

    {"servertimezone", "'timeZone'"}, {"connectiontimezone", "'timeZone'"},
    {"loc", "'timeZone'"}, {"tz", "'timeZone'"},
    {"sessionvariables", VARIABLES}, {"initcommand", INIT}, {"initsql", INIT},
    {"connectioninitsql", INIT}, {"initstmt", INIT}, {"initconnect", INIT},
    {"isolationlevel", "'isolation'"}, {"transactionisolation", "'isolation'"},
    {"txisolation", "'isolation'"}, {"defaulttransactionisolation", "'isolation'"},

    {"minimumidle", "'minIdle'"}, {"min", "'minIdle'"}, {"minpoolsize", "'minIdle'"},
    {"poolmin", "'minIdle'"}, {"mincached", "'minIdle'"}, {"minsize", "'minIdle'"},
    {"initialsize", "'minIdle'"}, {"initialpoolsize", "'minIdle'"},
    {"initialconnections", "'minIdle'"}, {"minconnections", "'minIdle'"},
    {"maximumpoolsize", "'connectionLimit'"}, {"maxpoolsize", "'connectionLimit'"},
    {"poolsize", "'connectionLimit'"}, {"max", "'connectionLimit'"},
    {"poolmax", "'connectionLimit'"}, {"maxsize", "'connectionLimit'"},
    {"maxconnections", "'connectionLimit'"}, {"maxopenconns", "'connectionLimit'"},
    {"maxactive", "'connectionLimit'"}, {"maxtotal", "'connectionLimit'"},
    {"limit", "'connectionLimit'"}, {"maxoverflow", NO_OVERFLOW},
    {"maxidle", "idle connections beyond 'minIdle' are closed after 'idleTimeout'"},
    {"maxidleconns", "idle connections beyond 'minIdle' are closed after 'idleTimeout'"},
    {"poolrecycle", "'maxLifetime'"}, {"connmaxlifetime", "'maxLifetime'"},
    {"maxconnlifetime", "'maxLifetime'"}, {"maxage", "'maxLifetime'"},
    {"connmaxidletime", "'idleTimeout'"}, {"maxidletime", "'idleTimeout'"},
    {"idletimeoutmillis", "'idleTimeout'"}, {"wakeupinterval", "'idleTimeout'"},
    {"connectiontimeout", TIMEOUTS}, {"timeout", TIMEOUTS}, {"connectiontimeoutmillis", TIMEOUTS},
    {"pooltimeout", "'acquireTimeout'"}, {"maxwait", "'acquireTimeout'"},
    {"maxwaitmillis", "'acquireTimeout'"}, {"acquiretimeoutmillis", "'acquireTimeout'"},
    {"logintimeout", "'connectTimeout'"},
    {"readtimeout", "'queryTimeout'"}, {"writetimeout", "'queryTimeout'"},
    {"sockettimeout", "'queryTimeout'"}, {"statementtimeout", "'queryTimeout'"},
    {"commandtimeout", "'queryTimeout'"}, {"defaultcommandtimeout", "'queryTimeout'"},
    {"keepalivetime", "'keepalive'"}, {"keepaliveinterval", "'keepalive'"},
    {"keepaliveinitialdelay", "'tcpKeepalive'"}, {"enablekeepalive", "'tcpKeepalive'"},
    {"keepalivedelay", "'tcpKeepalive'"}, {"socketkeepalive", "'tcpKeepalive'"},
    {"tcpkeepidle", "'tcpKeepalive'"},
    {"leakdetectionthreshold", "'leakAfter'"}, {"leakdetectiontimeout", "'leakAfter'"},
    {"initializationfailtimeout", "'failFast'"},
    {"poolpreping", TESTED}, {"testonborrow", TESTED}, {"validationquery", TESTED},
    {"connectiontestquery", TESTED}, {"testwhileidle", TESTED}, {"validationtimeout", TESTED},
    {"checkconnliveness", TESTED},
    {"connectionreset", "'resetPolicy'"}, {"resetconnection", "'resetPolicy'"},
    {"poolresetconnection", "'resetPolicy'"}, {"poolresetonreturn", "'resetPolicy'"},
    {"usereset", "'resetPolicy'"}, {"useresetconnection", "'resetPolicy'"},

    {"multistatement", "'multipleStatements'"}, {"allowmultiqueries", "'multipleStatements'"},
    {"clientmultistatements", "'multipleStatements'"},
    {"programname", "'applicationName'"}, {"appname", "'applicationName'"},
    {"connectionattributes", "'applicationName'"}, {"connectattributes", "'applicationName'"},
    {"maxallowedpacket", "'maxPacketBytes'"},
    {"cacheprepstmts", "'statementCache'"}, {"prepstmtcachesize", "'statementCache'"},
    {"prepstmtcachesqllimit", "'statementCache'"}, {"statementcachesize", "'statementCache'"},
    {"preparedstatementcachesize", "'statementCache'"},
    {"maxpreparedstatements", "'statementCache'"},
    {"useserverprepstmts", "'prepare'"}, {"interpolateparams", "'prepare'"},
    {"usepipelineauth", "'pipelineDepth'"}, {"pipelining", "'pipelineDepth'"},

    {"allowlocalinfile", INFILE}, {"localinfile", INFILE}, {"allowloadlocalinfile", INFILE},
    {"allowallfiles", INFILE}, {"autoreconnect", NO_RECONNECT}, {"reconnect", NO_RECONNECT},
    {"compress", NO_COMPRESSION}, {"compression", NO_COMPRESSION},
    {"usecompression", NO_COMPRESSION}, {"parsetime", GETTERS}, {"datestrings", GETTERS},
    {"typecast", GETTERS}, {"supportbignumbers", GETTERS}, {"bignumberstrings", GETTERS},
    {"decimalnumbers", GETTERS}, {"tinyint1isbit", GETTERS}, {"zerodatetimebehavior", GETTERS},
    {"rewritebatchedstatements", BATCHES}, {"usebulkstmts", BATCHES},
    {"usecursorfetch", STREAMS}, {"defaultfetchsize", STREAMS},
    {"namedplaceholders", "placeholders may always have names"},
};
/* clang-format on */

static const char *skip_marks(const char *at)
{
    while (*at == '_' || *at == '-')
        at++;
    return at;
}

bool pool__hints_same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        a = skip_marks(a);
        b = skip_marks(b);
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

const char *pool__hints_for(const char *name)
{
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (pool__hints_same_name(name, hints[i].alias))
            return hints[i].text;
    return NULL;
}

const struct pool__hint *pool__hints_all(size_t *ret_count)
{
    *ret_count = sizeof hints / sizeof *hints;
    return hints;
}
