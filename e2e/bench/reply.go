package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// reply reads one HTTP/1.1 answer from pieces of any size; the body is counted and thrown away.
type reply struct {
	status int
	body   int64 // Bytes of it so far.
	closes bool  // The connection is of no more use behind it.

	part   replyPart
	left   int64  // Of the body, or of a chunk.
	unread []byte // The begin of a head or a line.
}

// replyPart is what a reply comes to next.
type replyPart int

const (
	inHead replyPart = iota
	inBody
	inChunkSize
	inChunk
	inChunkEnd // The line end behind a chunk.
	inTrailer
	replyDone
)

// longestHead bounds heads and lines: nothing here answers with more.
const longestHead = 64 << 10

var errReply = errors.New("no HTTP answer that the client understands")

// feed takes what has come; what comes behind the answer is an error, as nothing more was asked for.
func (r *reply) feed(b []byte) (done bool, err error) {
	for len(b) > 0 {
		switch r.part {
		case inBody, inChunk:
			n := min(r.left, int64(len(b)))
			r.left -= n
			r.body += n
			b = b[n:]
			switch {
			case r.left > 0:
			case r.part == inBody:
				r.part = replyDone
			default:
				r.part = inChunkEnd
			}
		case replyDone:
			return false, fmt.Errorf("%w: %d bytes behind its end", errReply, len(b))
		case inHead, inChunkSize, inChunkEnd, inTrailer:
			text, rest, whole := r.until(b)
			if !whole {
				return false, r.tooLong()
			}
			b = rest
			if err := r.take(text); err != nil {
				return false, err
			}
			r.unread = r.unread[:0]
		}
	}
	return r.part == replyDone, nil
}

func (r *reply) tooLong() error {
	if len(r.unread) > longestHead {
		return fmt.Errorf("%w: its head or a line of it is too long", errReply)
	}
	return nil
}

// until gives the head or the line without its end, and what is behind it. A part of it is kept.
func (r *reply) until(b []byte) (text, rest []byte, whole bool) {
	end := "\r\n"
	if r.part == inHead {
		end = "\r\n\r\n"
	}
	if len(r.unread) == 0 {
		if text, rest, whole = bytes.Cut(b, []byte(end)); whole {
			return text, rest, true
		}
	}
	kept := len(r.unread)
	r.unread = append(r.unread, b...)
	at := bytes.Index(r.unread[max(0, kept-len(end)):], []byte(end))
	if at < 0 {
		return nil, nil, false
	}
	at += max(0, kept-len(end))
	return r.unread[:at], b[at+len(end)-kept:], true
}

// take reads a head or a line.
func (r *reply) take(text []byte) error {
	switch r.part {
	case inHead:
		return r.takeHead(string(text))
	case inChunkSize:
		size, _, _ := strings.Cut(string(text), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 62)
		if err != nil {
			return fmt.Errorf("%w: chunk of %q bytes", errReply, text)
		}
		r.left, r.part = int64(n), inChunk
		if n == 0 {
			r.part = inTrailer
		}
	case inChunkEnd:
		if len(text) > 0 {
			return fmt.Errorf("%w: a chunk is longer than it says", errReply)
		}
		r.part = inChunkSize
	case inTrailer:
		if len(text) == 0 {
			r.part = replyDone
		}
	case inBody, inChunk, replyDone:
	}
	return nil
}

func (r *reply) takeHead(head string) error {
	first, fields, _ := strings.Cut(head, "\r\n")
	if len(first) < len("HTTP/1.1 200") || !strings.HasPrefix(first, "HTTP/1.1 ") {
		return fmt.Errorf("%w: it begins with %.40q", errReply, first)
	}
	var err error
	if r.status, err = strconv.Atoi(first[9:12]); err != nil || r.status < 200 {
		return fmt.Errorf("%w: its status is %.40q", errReply, first)
	}
	length, chunked := int64(-1), false
	for line := range strings.SplitSeq(fields, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "Content-Length"):
			n, err := strconv.ParseUint(value, 10, 62)
			if err != nil {
				return fmt.Errorf("%w: its length is %q", errReply, value)
			}
			length = int64(n)
		case strings.EqualFold(name, "Transfer-Encoding"):
			chunked = strings.EqualFold(value, "chunked")
		case strings.EqualFold(name, "Connection"):
			r.closes = strings.EqualFold(value, "close")
		}
	}
	switch {
	case chunked:
		r.part = inChunkSize
	case length == 0:
		r.part = replyDone
	case length > 0:
		r.part, r.left = inBody, length
	default:
		return fmt.Errorf("%w: it says nothing of its length", errReply)
	}
	return nil
}

// reset makes it ready for another answer.
func (r *reply) reset() { *r = reply{unread: r.unread[:0]} }
