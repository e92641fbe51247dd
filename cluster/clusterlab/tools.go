package clusterlab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tools are the programs and the library that a lab runs on.
type tools struct {
	server    string
	installDB string
	provider  string
}

// searchPath is PATH with the directories of system programs, which a user's own often lacks.
func searchPath() string {
	return strings.Trim(os.Getenv("PATH")+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec", ":")
}

// MissingError says which programs a lab lacks on this machine.
type MissingError struct {
	Names []string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s not found; on Debian: apt-get install --no-install-recommends mariadb-server galera-4 rsync lsof socat",
		strings.Join(e.Names, ", "))
}

// findTools looks for what is needed along a search path, and for the provider where the distributions put it.
func findTools(path string) (tools, error) {
	var missing []string
	find := func(names ...string) string {
		for _, dir := range filepath.SplitList(path) {
			for _, name := range names {
				candidate := filepath.Join(dir, name)
				if st, err := os.Stat(candidate); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
					return candidate
				}
			}
		}
		missing = append(missing, names[0])
		return ""
	}
	t := tools{server: find("mariadbd", "mysqld"), installDB: find("mariadb-install-db", "mysql_install_db")}
	find("rsync")
	find("lsof", "ss", "sockstat") // wsrep_sst_rsync looks at the port with one of these.
	for _, candidate := range []string{
		"/usr/lib/galera/libgalera_smm.so", "/usr/lib/galera-4/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so",
		"/usr/lib64/galera/libgalera_smm.so", "/usr/lib/libgalera_smm.so", "/usr/local/lib/libgalera_smm.so",
	} {
		if exists(candidate) {
			t.provider = candidate
			break
		}
	}
	if t.provider == "" {
		missing = append(missing, "libgalera_smm.so")
	}
	if len(missing) > 0 {
		return tools{}, &MissingError{Names: missing}
	}
	return t, nil
}
