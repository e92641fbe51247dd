//go:build !linux

package web

import "errors"

// watch is not there on this system, so that net/http answers all.
type watch struct{}

func newWatch() (*watch, error) { return nil, errors.ErrUnsupported }

func (w *watch) run() {}

func (w *watch) close() {}

func (w *watch) add(*conn) error { return errors.ErrUnsupported }

func (w *watch) forget(*conn) {}

func (c *conn) gone() bool { return false }
