package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Files are the PEM files of one end of TLS, each empty where there is none.
type Files struct {
	Cert string // With its chain.
	Key  string // Empty with a Cert where the key is in that file.
	CA   string // Who signs the other end's certificates.
}

// Loaded is what files held when they were read.
type Loaded struct {
	Cert *tls.Certificate // Nil where there is none; its Leaf is set.
	CA   *x509.CertPool   // Nil where there is none.
}

// Load reads files. It fails where one cannot be read, is not what it should be, or where key and certificate do not belong together; it does not look at
// how long certificates are valid.
func (f Files) Load() (Loaded, error) {
	var l Loaded
	if f.Cert != "" {
		key := f.Key
		if key == "" {
			key = f.Cert
		}
		cert, err := tls.LoadX509KeyPair(f.Cert, key)
		if err != nil {
			return Loaded{}, fmt.Errorf("certificate %s with key %s: %w", f.Cert, key, err)
		}
		l.Cert = &cert
	}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return Loaded{}, fmt.Errorf("authorities: %w", err)
		}
		l.CA = x509.NewCertPool()
		if !l.CA.AppendCertsFromPEM(pem) {
			return Loaded{}, fmt.Errorf("authorities: there is no certificate in %s", f.CA)
		}
	}
	return l, nil
}

// ErrExpires says that a certificate is not valid now, or will soon not be any more.
var ErrExpires = errors.New("replace it")

// Validity judges for how long a certificate is good: an error wraps ErrExpires, and is severe where it is not good now.
func (l Loaded) Validity(now time.Time) (severe bool, err error) {
	if l.Cert == nil {
		return false, nil
	}
	leaf := l.Cert.Leaf
	switch left := leaf.NotAfter.Sub(now); {
	case left < 0:
		return true, fmt.Errorf("the certificate expired on %s: %w", leaf.NotAfter.Format(time.DateOnly), ErrExpires)
	case now.Before(leaf.NotBefore):
		return true, fmt.Errorf("the certificate is valid from %s on only: %w, or look at the clock", leaf.NotBefore.Format(time.DateOnly), ErrExpires)
	case left < soon:
		return false, fmt.Errorf("the certificate expires on %s: %w", leaf.NotAfter.Format(time.DateOnly), ErrExpires)
	}
	return false, nil
}

// soon is less than what is left of a certificate when renewal is usual: 30 days of the 90 of public authorities.
const soon = 14 * 24 * time.Hour

// stamp tells one state of a file from another, as far as the file system does: a change of its content, owner or mode, or another file in its place. Zero where there is none.
type stamp struct {
	device, inode uint64
	size          int64
	changed       syscall.Timespec
}

func stampOf(path string) (s stamp) {
	var st syscall.Stat_t
	if path == "" || syscall.Stat(path, &st) != nil {
		return s
	}
	return stamp{device: st.Dev, inode: st.Ino, size: st.Size, changed: st.Ctim}
}

type stamps [3]stamp

func (f Files) stamps() stamps { return stamps{stampOf(f.Cert), stampOf(f.Key), stampOf(f.CA)} }

// lookEvery is how often files are looked at, where they are in use.
const lookEvery = time.Second

// store keeps what is in files as a TLS configuration, and reads them again when they change. What cannot be used is logged and the one before stays. Safe for
// use by many goroutines.
type store struct {
	files Files
	make  func(Loaded) *tls.Config
	log   hclog.Logger
	conf  atomic.Pointer[tls.Config]

	mu     sync.Mutex // Held by who looks; nobody waits for it.
	looked time.Time
	seen   stamps
}

func newStore(files Files, log hclog.Logger, build func(Loaded) *tls.Config) (*store, error) {
	s := &store{files: files, make: build, log: log, looked: time.Now(), seen: files.stamps()}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *store) load() error {
	l, err := s.files.Load()
	if err != nil {
		return err
	}
	if _, err := l.Validity(time.Now()); err != nil {
		s.log.Warn("a certificate", "file", s.files.Cert, "error", err)
	}
	s.conf.Store(s.make(l))
	return nil
}

// current is the configuration by what is in the files, as of a second ago.
func (s *store) current() *tls.Config {
	if s.mu.TryLock() {
		defer s.mu.Unlock()
		if now := time.Now(); now.Sub(s.looked) >= lookEvery {
			s.looked = now
			s.look()
		}
	}
	return s.conf.Load()
}

// look reads the files again if they are others than before. Their state is taken first: what changes while they are read is seen the next time.
func (s *store) look() {
	found := s.files.stamps()
	if found == s.seen {
		return
	}
	s.seen = found
	if err := s.load(); err != nil {
		s.log.Error("changed TLS files cannot be used: the ones before stay in use", "error", err)
		return
	}
	s.log.Info("changed TLS files are in use", "certificate", s.files.Cert, "authorities", s.files.CA)
}
