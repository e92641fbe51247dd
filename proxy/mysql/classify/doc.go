// Package classify decides from the bytes of a statement what it is and where
// it may run: Statement takes the text and gives a Class.
package classify
