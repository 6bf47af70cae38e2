/*
 * libmariadb reads each packet into one buffer, which grows to the largest that came and never
 * shrinks: a row of 15 MB would cost its connection 15 MB for as long as it lives, and every
 * connection gets such a row some day.
 *
 * So the buffer is cut down when it is not in use. Between statements nothing points into
 * it but `info`, and libmariadb lets it grow again as it did before. A connection that
 * carries large rows all the time keeps it for a second at a time, so as not to give back and
 * fetch memory for each; of one that is idle the keeper gives it back at a tick, off the
 * callers' path.
 *
 * Whoever owns the connection; no lock.
 */
#include "conn/trim.h"

#include "base/sync.h"

#include <mysql.h>
#include <ma_pvio.h>
#include <stdlib.h>

#define SMALL_BYTES 8192 /* as after the connect */
#define HEADERS_BYTES 64 /* more than libmariadb adds for its headers */
#define KEEP_NS (1000 * POOL__NS_PER_MS)

static bool is_at_rest(const struct pool__conn *conn)
{
    const MYSQL *mysql = conn->mysql;
    const NET *net = &mysql->net;
    return !conn->broken && net->pvio && net->buff && net->write_pos == net->buff &&
           !net->compress && !net->where_b && mysql->status == MYSQL_STATUS_READY &&
           !(mysql->server_status & SERVER_MORE_RESULTS_EXIST);
}

void pool__trim(struct pool__conn *conn)
{
    NET *net = &conn->mysql->net;
    conn->bulky_ns = 0;
    if (!pool__trim_is_bulky(conn) || !is_at_rest(conn))
        return;
    unsigned char *buff = realloc(net->buff, SMALL_BYTES + HEADERS_BYTES);
    if (!buff)
        return;
    conn->mysql->info = NULL;
    net->buff = net->write_pos = net->read_pos = buff;
    net->max_packet = SMALL_BYTES;
    net->buff_end = buff + SMALL_BYTES;
}

void pool__trim_note(struct pool__conn *conn)
{
    uint64_t now = conn->heard_ns ? conn->heard_ns : pool__now_ns();
    if (!conn->bulky_ns)
        conn->bulky_ns = now;
    else if (now - conn->bulky_ns >= KEEP_NS)
        pool__trim(conn);
}

bool pool__trim_is_bulky(const struct pool__conn *conn)
{
    return conn->mysql->net.max_packet > POOL__PACKET_BYTES;
}
