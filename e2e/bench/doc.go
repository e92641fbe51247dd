// Command bench measures galley beside HAProxy and beside a node without a proxy, on one real three-node cluster on this machine,
// and its web tier beside nginx, Caddy and HAProxy in front of the same php-fpm. e2e/bench.sh builds and runs it
// (make bench). It is not a test: it fails when something cannot be measured, not when a figure is bad. Its targets are shown with pass or fail beside them.
//
// The one thing to know first: trust the ratios, not the figures. Rounds go over all cells, and in a cell the doors (direct, haproxy, galley) are measured one
// right after another, in turning order; a ratio is made within a round, and the tables show the median of the rounds' ratios with their range. In the parts with clients of
// our own ("php", "sharing", "crowd") the doors take turns of half a second or so, and the tables show the ratio of their medians with the range of the turns' ratios.
// CPU per query or connection suffers less from other work on the machine than what is counted per second; "CPU of all" is what that is the inverse of on a quiet CPU.
//
// The clients of our own are one goroutine with epoll and raw packets (herd.go): their CPU is counted, and is the same work for each door. They say of themselves what mysqlnd does.
//   - "php": connect, SET NAMES, SELECT @@sql_mode, one row by its key, quit; again and again.
//   - "sharing": point selects over connections that stay, by galley as it is and by one with mysql.pool.multiplex off.
//   - "crowd": 2,000 clients without a pause between their statements on 60 backend conns, beside 60 clients on the same and 2,000 without a proxy. This
//     galley has one node, so that there are 60 in all.
//   - "idle": clients that have run SET NAMES and a read, one in ten of them an INSERT as well, and then do nothing.
//   - "web": see below.
//
// How things are set up, and why:
//   - HAProxy is Debian's in TCP mode with leastconn over all nodes for what reads, with its default of one thread per CPU it may run on, as galley has. What writes goes to
//     the first node with the others as backups, as operators of Galera do it; galley finds its one writer itself. HAProxy makes no health checks here, which is to
//     its advantage. Where its default is not two threads, a second HAProxy with two is measured for the point select at 64 clients.
//   - galley is the static binary of the Makefile with the README's configuration. Point selects go to its readers (two nodes of three); sysbench's read-only test opens
//     transactions by BEGIN, which galley has to send to the writer.
//   - All processes are of one session: Linux schedules sessions as groups (sched_autogroup_enabled), and a proxy in a session of its own behaves otherwise (it sleeps
//     and wakes for each packet, where it finds several at a time here; both proxies then cost up to half more).
//   - HAProxy spreads reads over three nodes and galley over two, while the direct door uses one. On one machine each more node costs cache, so compare "CPU of the
//     proxy" before throughput: what HAProxy loses here is in part not its own.
//   - sysbench prepares its statements on the server (its default). PHP applications mostly do not: "point select, text" is the same without.
//   - The first second of each sysbench run is not counted (connecting, preparing). CPU per query is the proxy process's CPU clock, which is the scheduler's sum of what its
//     threads ran to the nanosecond, alive or ended, over exactly the counted time.
//   - "CPU of all" adds the nodes and sysbench itself: on one CPU it is what throughput is the inverse of, and it stays sound when other work takes some of the CPU, which
//     throughput does not. How much other work took is printed.
//   - Memory per idle connection is the growth of the resident set of a fresh process by logged-in clients: once after the login, and once after each of them has run its
//     statements. HAProxy opens a connection to a node for each client at once, so it gets half as many. Memory of the kernel is in neither.
//   - The nodes get a minute before they take each other for dead, so that a machine with other work loses none in the middle of a measurement.
//   - Results are read by a client that throws the bytes away, so that the proxy is more of what is measured and the client less.
//
// The part "web" (crew.go has its clients, fronts.go the configurations) starts nginx, Caddy, HAProxy and galley in front of one directory and the same two php-fpm masters of four workers, by TCP. The
// fronts take turns of half a second or less with each page and number of clients; each client keeps its connection and asks again when it has its answer. WordPress has one turn a round, as
// each client waits for seconds there. A turn ends when all clients have been answered, except for the 100 MB file, in whose middle they hang up. "The front" is its processes, all of them.
//   - The clients are in this process (one goroutine, epoll, reads of 128 KB) and not wrk: their CPU can be counted and told from the rest, they keep their connections from turn to turn, they
//     wait for what php-fpm has begun before the next front's turn, and count every answer that is not a whole 200.
//   - No front keeps connections to php-fpm. An idle one is a worker that nobody else gets: those of one front would take all workers from the others, and with HAProxy's keep-conn or nginx'
//     fastcgi_keep_conn, WordPress pages take 40 ms longer besides (Nagle in php-fpm). What a kept one saves is 60 µs on an empty script.
//   - nginx has as many worker processes as CPUs to run on, sendfile, tcp_nopush, open_file_cache, least_conn with a shared zone, buffers that hold a WordPress page. Caddy has
//     least_conn, no administration, no certificates. HAProxy has leastconn and queues at four requests a server; it serves no files. Nobody logs or compresses.
//   - galley has what its documentation tells: pm.status_listen, the preset wordpress. It asks php-fpm for a worker before it sends a request, which the others do not; that costs an
//     empty script more than any other, and is what the test with one slow pool is about.
//   - One pool slowed: the same script takes 20 ms longer in one of two pools. A front that only counts its requests gives that pool half of those that wait.
//   - The cached page is WordPress's front page from galley's page cache, nginx' fastcgi_cache on disk, and HAProxy's cache. Caddy has none.
//   - WordPress has a node without a proxy as its database, so that the database side is the same for all; with -parts web alone there is one node.
//   - Idle clients: fresh processes, 5,000 connections, the growth of the resident set after a 4 KB file over each, and after a page of PHP over each of the same.
//
// -pin says which CPUs are used. "one" (the default) puts everything on CPU 0: proxy, nodes and clients share it, so throughput is the inverse of all the work that
// a query takes, wake-ups between CPUs (whose price differs by placement, from run to run) are left out, and other work on the machine has the other CPUs.
// It is what repeats best on a machine of two cores. "none" lets the kernel place everything, as production does: to be used on a quiet machine with
// more cores. "split" gives the proxy CPU 0 for itself and the rest everything else: good for CPU per query, while throughput is then the nodes'.
package main
