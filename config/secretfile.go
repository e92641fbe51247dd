package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSecret bounds a secret file: a certificate or a log given by mistake is larger or has more lines.
const maxSecret = 4096

// worldReadable is the permission of all others to read.
const worldReadable fs.FileMode = 0o004

// pendingSecret is a secret file, or a variable, that is read if no stronger source gives the secret.
type pendingSecret struct {
	at       place
	path     string
	file     string
	variable string
	parse    func(string) (string, *mistake)
	set      func(Secret)
}

// pendUser keeps the file or the variable of an account for later.
func (r *reader) pendUser(u User, p pendingSecret) {
	if u.PasswordFile == "" && u.PasswordEnv == "" {
		return
	}
	user, host := u.User, u.Host
	p.set = func(s Secret) {
		for i, u := range r.cfg.MySQL.Users {
			if u.User == user && u.Host == host {
				r.cfg.MySQL.Users[i].Password = s
			}
		}
	}
	r.pending["mysql.users"] = append(r.pending["mysql.users"], p)
}

// readSecrets reads the secret files of the sources that won.
func (r *reader) readSecrets() {
	for _, s := range r.settings {
		for _, p := range r.pending[s.Path] {
			r.readSecret(p)
		}
	}
}

func (r *reader) readSecret(p pendingSecret) {
	if p.variable != "" {
		r.readVariable(p)
		return
	}
	file := p.file
	if p.at.doc != nil && !filepath.IsAbs(file) {
		file = filepath.Join(p.at.doc.base, file)
	}
	data, m := readFile(file, maxSecret+1)
	if m != nil {
		// A path without a slash may be the secret itself, put under the wrong key.
		if m.echo != "" && !strings.HasPrefix(p.file, "/") && !strings.HasPrefix(p.file, "./") && !strings.HasPrefix(p.file, "../") {
			m.what = "the file named here " + strings.TrimPrefix(m.what, "{} ")
			m.remedy += " The value is a path, relative to the directory of the configuration file; the secret itself goes under the key without _file."
		}
		r.fail(p.at, p.path, m)
		return
	}
	secret := strings.TrimRight(string(data), "\r\n")
	if len(data) > maxSecret {
		r.fail(p.at, p.path, &mistake{echo: file, what: "{} is too large for a secret (more than 4 KiB)", remedy: "The file holds the secret alone, on one line."})
		return
	}
	if secret == "" {
		r.fail(p.at, p.path, &mistake{echo: file, what: "{} is empty", remedy: "Write the secret into it, on one line."})
		return
	}
	r.report.secrets.learn(secret)
	secret, m = p.parse(secret)
	if m != nil {
		m.what = "in the file: " + m.what
		r.fail(p.at, p.path, m)
		return
	}
	p.set(NewSecret(secret))
	if status, err := os.Stat(file); err == nil && status.Mode().Perm()&worldReadable != 0 {
		r.report.warn(p.at, p.path, readableByAll(status, file))
	}
}

// readVariable takes a secret from a variable.
func (r *reader) readVariable(p pendingSecret) {
	secret := variable(r.env, p.variable)
	if secret == "" {
		r.fail(p.at, p.path, &mistake{echo: p.variable, what: "the variable {} is not set, or is empty", remedy: "Set it to the password where galley is started."})
		return
	}
	r.report.secrets.learn(secret)
	secret, m := p.parse(secret)
	if m != nil {
		m.what = "in the variable: " + m.what
		r.fail(p.at, p.path, m)
		return
	}
	p.set(NewSecret(secret))
}

func readableByAll(status fs.FileInfo, what string) *mistake {
	return &mistake{
		what:   fmt.Sprintf("%s can be read by every user of this machine (mode %04o)", what, status.Mode().Perm()),
		remedy: "Run chmod o= on it, and give it to galley's user.",
	}
}

// readFile reads at most limit bytes. In the mistake's words {} is the path.
func readFile(path string, limit int64) ([]byte, *mistake) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file, that is the point
	if err != nil {
		return nil, openMistake(path, err)
	}
	defer func() { _ = f.Close() }() // only read from
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, openMistake(path, err)
	}
	return data, nil
}

func openMistake(path string, err error) *mistake {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &mistake{echo: path, what: "{} does not exist", remedy: "Create the file, or correct the path."}
	case errors.Is(err, fs.ErrPermission):
		return &mistake{echo: path, what: "{} may not be read by this user", remedy: fmt.Sprintf("Galley runs as user id %d: give it the right to read the file and to enter its directories.", os.Geteuid())}
	case errors.Is(err, syscall.EISDIR):
		return &mistake{echo: path, what: "{} is a directory", remedy: "Name the file in it."}
	}
	why := err
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		why = pathError.Err
	}
	return &mistake{echo: path, what: "{} cannot be read: " + why.Error(), remedy: "Check the file and its directories."}
}
