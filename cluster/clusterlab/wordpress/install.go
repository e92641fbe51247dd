package wordpress

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"galley/cluster/clusterlab"
)

//go:embed install.php
var wordpressInstall string

// Site is a WordPress in a directory of its own.
type Site struct {
	// Source is a directory with WordPress's files, without wp-config.php; e2e/wordpress.sh makes one.
	Source string
	// Dir is where it goes; it is made.
	Dir string
	// DBHost is host:port of the database, and DB the account; the schema is [clusterlab.Schema].
	DBHost string
	DB     clusterlab.Account
	// URL is where browsers find it, like http://127.0.0.1:8080.
	URL string
	// Admin is its first user.
	Admin clusterlab.Account
}

// Install copies the files, writes wp-config.php and makes the tables and a few pages, as WordPress's own installation does. It needs php-cli with mysqli.
func (s Site) Install(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.Source, "wp-load.php")); err != nil {
		return fmt.Errorf("there is no WordPress in %s (e2e/wordpress.sh %s makes one): %w", s.Source, s.Source, err)
	}
	if err := os.CopyFS(s.Dir, os.DirFS(s.Source)); err != nil {
		return fmt.Errorf("copy WordPress to %s: %w", s.Dir, err)
	}
	if err := s.open(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "wp-config.php"), []byte(s.config()), 0o644); err != nil {
		return fmt.Errorf("write wp-config.php: %w", err)
	}
	cmd := exec.CommandContext(ctx, "php", "-d", "display_errors=1", "-r", strings.TrimPrefix(wordpressInstall, "<?php"))
	cmd.Env = append(os.Environ(), "WP_DIR="+s.Dir, "WP_URL="+s.URL, "WP_USER="+s.Admin.User, "WP_PASSWORD="+s.Admin.Password)
	out, err := cmd.CombinedOutput()
	if err == nil && !strings.HasSuffix(strings.TrimSpace(string(out)), "installed") {
		err = errors.New("it did not come to its end")
	}
	if err != nil {
		return fmt.Errorf("install WordPress by php: %w\n%s", err, out)
	}
	return nil
}

// open lets php-fpm's workers, whoever they are, read all and write uploads.
func (s Site) open() error {
	uploads := filepath.Join(s.Dir, "wp-content", "uploads")
	if err := os.MkdirAll(uploads, 0o755); err != nil {
		return fmt.Errorf("make the directory of uploads: %w", err)
	}
	err := filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if d.IsDir() {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
	if err == nil {
		err = os.Chmod(uploads, 0o777)
	}
	if err != nil {
		return fmt.Errorf("set the modes in %s: %w", s.Dir, err)
	}
	return nil
}

func (s Site) config() string {
	var b strings.Builder
	b.WriteString("<?php\n")
	define := func(name, value string) { fmt.Fprintf(&b, "define('%s', '%s');\n", name, quotePHP(value)) }
	define("DB_NAME", clusterlab.Schema)
	define("DB_USER", s.DB.User)
	define("DB_PASSWORD", s.DB.Password)
	define("DB_HOST", s.DBHost)
	define("DB_CHARSET", "utf8mb4")
	define("DB_COLLATE", "")
	for _, name := range []string{"AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE"} {
		define(name+"_KEY", rand.Text())
		define(name+"_SALT", rand.Text())
	}
	b.WriteString(`$table_prefix = 'wp_';
define('WP_HTTP_BLOCK_EXTERNAL', true); // Nothing here calls anybody.
define('DISABLE_WP_CRON', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('FS_METHOD', 'direct');
if (!defined('ABSPATH')) { define('ABSPATH', __DIR__ . '/'); }
require_once ABSPATH . 'wp-settings.php';
`)
	return b.String()
}

func quotePHP(value string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) }
