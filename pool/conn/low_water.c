/*
 * How many bytes a reply usually has, and how many have to be there before a socket counts as
 * readable (SO_RCVLOWAT): to wake up for each reply costs more than the reply.
 */
#include "conn/low_water.h"

#include "conn/reply.h"

#include <mysql.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define LEAST_RECORD_BYTES 22 /* of TLS 1.3: header, type and tag; 1.2 adds more */

/* With TLS each reply is a record of its own. */
size_t pool__low_water_reply(const struct pool__stmt *stmt, bool tls)
{
    size_t bytes = stmt->reply_bytes ? stmt->reply_bytes : POOL__LEAST_REPLY;
    return bytes + (tls ? LEAST_RECORD_BYTES : 0);
}

void pool__low_water_set(const struct pool__conn *conn, size_t bytes, int *least)
{
    int wanted = (int)bytes;
    if (*least == wanted || !conn->mysql->net.pvio)
        return;
    setsockopt(mysql_get_socket(conn->mysql), SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof wanted);
    *least = wanted;
}

int pool__low_water_there(const struct pool__conn *conn)
{
    int bytes = 0;
    return ioctl(mysql_get_socket(conn->mysql), FIONREAD, &bytes) == 0 ? bytes : 0;
}
