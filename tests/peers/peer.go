// Go's database/sql with go-sql-driver, on the work of poolbench. Usage: see build.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand"
	"net/url"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

var stop int32

type caller struct {
	operations int64
	latencies  []time.Duration
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (c *caller) queries(statement *sql.Stmt, random *rand.Rand) {
	var id int
	var name string
	var v float64
	for atomic.LoadInt32(&stop) == 0 {
		start := time.Now()
		key := random.Intn(100000) + 1
		check(statement.QueryRow(key).Scan(&id, &name, &v))
		if id != key {
			check(fmt.Errorf("wrong row"))
		}
		c.operations++
		c.latencies = append(c.latencies, time.Since(start))
	}
}

func (c *caller) cycles(db *sql.DB) {
	for atomic.LoadInt32(&stop) == 0 {
		connection, err := db.Conn(context.Background())
		check(err)
		connection.Close()
		c.operations++
	}
}

func cpuTime() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(0, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e3
}

func measure(db *sql.DB, statement *sql.Stmt, count int, seconds float64, query bool, print bool) {
	callers := make([]caller, count)
	var group sync.WaitGroup
	atomic.StoreInt32(&stop, 0)
	cpu, start := cpuTime(), time.Now()
	for i := range callers {
		group.Add(1)
		go func(c *caller, seed int) {
			defer group.Done()
			if query {
				c.queries(statement, rand.New(rand.NewSource(int64(seed))))
			} else {
				c.cycles(db)
			}
		}(&callers[i], i)
	}
	time.Sleep(time.Duration(seconds * 1e9))
	atomic.StoreInt32(&stop, 1)
	group.Wait()
	elapsed := time.Since(start).Seconds()
	cpu = cpuTime() - cpu
	var operations int64
	all := []time.Duration{}
	for _, c := range callers {
		operations += c.operations
		all = append(all, c.latencies...)
	}
	if len(all) == 0 {
		all = append(all, 0)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	if print {
		fmt.Printf("database/sql %.0f %.1f %.1f %.2f\n", float64(operations)/elapsed,
			float64(all[len(all)/2])/1e3, float64(all[len(all)*99/100])/1e3, cpu/float64(operations))
	}
}

func main() {
	callers, err := strconv.Atoi(os.Args[1])
	check(err)
	connections, err := strconv.Atoi(os.Args[2])
	check(err)
	seconds, err := strconv.ParseFloat(os.Args[3], 64)
	check(err)
	u, err := url.Parse(os.Getenv("MYPOOL_URL"))
	check(err)
	password, _ := u.User.Password()
	db, err := sql.Open("mysql", u.User.Username()+":"+password+"@tcp("+u.Host+")"+u.Path)
	check(err)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	statement, err := db.Prepare("SELECT id, name, v FROM poolbench WHERE id = ?")
	check(err)
	query := os.Args[4] == "query"
	if !query && os.Args[4] != "cycle" {
		fmt.Fprintln(os.Stderr, "no such work:", os.Args[4])
		os.Exit(2)
	}
	measure(db, statement, callers, 0.3, query, false)
	measure(db, statement, callers, seconds, query, true)
}
