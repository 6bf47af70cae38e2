/*
 * Threads move money between few accounts, and no coin is lost.
 *
 * Each transfer is one transaction that locks two accounts, in the order in which
 * they come: with eight threads on five accounts that ends in deadlocks all the
 * time. The server then picks a victim, and pool_transaction runs the victim's
 * function again. The function therefore changes nothing but the database, apart
 * from a counter that tells how often it ran. When even the repetitions failed
 * the error still says that another try is safe (retry_transaction), so the
 * thread tries again, a bounded number of times.
 *
 *     transactions mysql://app:secret@127.0.0.1/mypool
 *
 * It makes a table `mypool_example_accounts` and removes it at the end.
 */
#include <inttypes.h>
#include <mypool.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8
#define TRANSFERS 200 /* by each thread */
#define ACCOUNTS 5
#define START_BALANCE 1000
#define TRIES 20

struct bank {
    struct pool *pool;
    atomic_uint runs; /* of the function below */
    atomic_uint done;
    atomic_uint declined; /* not enough money */
    atomic_uint failed;
};

struct transfer {
    struct bank *bank;
    int from;
    int to;
    int amount;
    bool declined;
};

static bool run(struct pool *pool, const char *sql, struct pool_args args, struct pool_error *err)
{
    return pool_exec(pool, sql, args, NULL, err);
}

static bool add(struct pool_conn conn, int account, int amount, struct pool_error *err)
{
    const char *sql = "UPDATE mypool_example_accounts SET balance = balance + ? WHERE id = ?";

    return pool_conn_exec(conn, sql, POOL_ARGS(amount, account), NULL, err);
}

static bool read_balance(struct pool_conn conn, int account, int64_t *ret_balance,
                         struct pool_error *err)
{
    const char *sql = "SELECT balance FROM mypool_example_accounts WHERE id = ? FOR UPDATE";

    return POOL_CONN_QUERY_ONE(conn, sql, POOL_ARGS(account), err, ret_balance);
}

/* True commits. A declined transfer commits too: it has changed nothing. */
static bool transfer_money(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct transfer *transfer = arg;
    int64_t balance;

    atomic_fetch_add(&transfer->bank->runs, 1);
    if (!read_balance(conn, transfer->from, &balance, err))
        return false;
    transfer->declined = balance < transfer->amount;
    return transfer->declined || (add(conn, transfer->from, -transfer->amount, err) &&
                                  add(conn, transfer->to, transfer->amount, err));
}

static void transfer_with_patience(struct transfer *transfer)
{
    struct bank *bank = transfer->bank;
    struct pool_error err;

    for (int i = 0; i < TRIES; i++) {
        if (pool_transaction(bank->pool, transfer_money, transfer, &err)) {
            atomic_fetch_add(transfer->declined ? &bank->declined : &bank->done, 1);
            return;
        }
        if (!err.retry_transaction)
            break;
    }
    atomic_fetch_add(&bank->failed, 1);
    fprintf(stderr, "transactions: %s: %s\n", pool_code_name(err.code), err.message);
}

static void *customer(void *arg)
{
    struct transfer transfer = {.bank = arg};
    unsigned seed = (unsigned)(uintptr_t)&transfer; /* each thread has its own stack */

    for (int i = 0; i < TRANSFERS; i++) {
        transfer.from = rand_r(&seed) % ACCOUNTS;
        transfer.to = (transfer.from + 1 + rand_r(&seed) % (ACCOUNTS - 1)) % ACCOUNTS;
        transfer.amount = 1 + rand_r(&seed) % 500;
        transfer_with_patience(&transfer);
    }
    return NULL;
}

static bool open_accounts(struct pool *pool, struct pool_error *err)
{
    if (!run(pool, "DROP TABLE IF EXISTS mypool_example_accounts", POOL_NO_ARGS, err) ||
        !run(pool,
             "CREATE TABLE mypool_example_accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL)"
             " ENGINE=InnoDB",
             POOL_NO_ARGS, err))
        return false;
    for (int id = 0; id < ACCOUNTS; id++)
        if (!run(pool, "INSERT INTO mypool_example_accounts VALUES (?, ?)",
                 POOL_ARGS(id, START_BALANCE), err))
            return false;
    return true;
}

static bool let_customers_in(struct bank *bank)
{
    pthread_t threads[THREADS];
    unsigned started = 0;

    while (started < THREADS && pthread_create(&threads[started], NULL, customer, bank) == 0)
        started++;
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return started == THREADS;
}

static bool count_money(struct pool *pool, int64_t *ret_total, struct pool_error *err)
{
    const char *sql = "SELECT SUM(balance) FROM mypool_example_accounts";
    struct pool_result *row = pool_query(pool, sql, POOL_NO_ARGS, err);

    if (!row)
        return false;
    *ret_total = pool_next(row) ? pool_get_int(row, 0) : 0;
    pool_result_free(row);
    return true;
}

/* True if no money was lost and every transfer ended as it should. */
static bool report(struct bank *bank, int64_t total)
{
    unsigned asked = bank->done + bank->declined + bank->failed;

    printf("%u transfers by %d threads on %d accounts: %u done, %u declined, %u failed\n", asked,
           THREADS, ACCOUNTS, bank->done, bank->declined, bank->failed);
    printf("%u runs of the transaction, so %u were repeated\n", bank->runs,
           bank->runs > asked ? bank->runs - asked : 0);
    printf("total before %d, after %" PRId64 "\n", ACCOUNTS * START_BALANCE, total);
    return total == ACCOUNTS * START_BALANCE && bank->failed == 0 && asked == THREADS * TRANSFERS;
}

static bool do_business(struct pool *pool, struct pool_error *err)
{
    struct bank bank = {.pool = pool};
    int64_t total;
    bool ok = false;

    if (!open_accounts(pool, err))
        return false;
    if (!let_customers_in(&bank))
        fprintf(stderr, "transactions: cannot start %d threads\n", THREADS);
    else if (count_money(pool, &total, err))
        ok = report(&bank, total);
    run(pool, "DROP TABLE IF EXISTS mypool_example_accounts", POOL_NO_ARGS, NULL);
    return ok;
}

int main(int argc, char **argv)
{
    const char *url = argc == 2 ? argv[1] : getenv("MYPOOL_URL");
    struct pool_error err;
    struct pool *pool;
    bool ok;

    if (argc > 2 || !url) {
        fprintf(stderr, "usage: transactions mysql://user:password@host:port/database\n");
        return 1;
    }
    pool = pool_create_url(url, &err);
    ok = pool && do_business(pool, &err);
    if (err.code != POOL_OK)
        fprintf(stderr, "transactions: %s: %s\n", pool_code_name(err.code), err.message);
    if (pool)
        pool_end(pool, 1000, NULL);
    return ok ? 0 : 1;
}
