// Package web is the HTTP tier: it serves a site's files, has its scripts run by php-fpm, and is a careful web server in front of both.
//
// It does not decide what a path is for (package site), does not read files (static), keeps no bodies (spool), and chooses no php-fpm backend: that is the
// Pool's that it is given.
//
// The one thing to know first: a script is run by a handler that the page cache wraps. Everything outside of it is done for every request once;
// everything inside may also happen for a copy of a request without a client, as when a page cache makes a page anew.
package web
