// Package proxy is what every front door shares at the level of connections: listening on TCP and on unix sockets, PROXY protocol headers of the load
// balancers in front, headers towards servers behind, and TLS whose files are read again when they change.
//
// It speaks no protocol of clients or servers, decides nothing about who may log in, and keeps no connections.
//
// The one thing to know first: nothing is read in the accept loop. A listener gives plain connections, and the goroutine that serves one calls
// Meet, which reads the header where one is due and says who the client is.
package proxy
