// Package classify decides from the bytes of a statement what it is and where
// it may run.
package classify

// Statement classifies one command's text.
func Statement(_ []byte, _ Mode) Class {
	return Class{Kind: Other}
}
