package web

import (
	"net/url"
	"strings"
)

// loginForm says that a GET of WordPress's wp-login.php asks for the form alone, which changes nothing: what it does besides (a logout, a new password, a confirmation) it does by
// an action or a key in its query.
func loginForm(path, query string) bool {
	if !strings.HasSuffix(path, "/wp-login.php") {
		return false
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return false
	}
	for name := range values {
		switch name {
		case "redirect_to", "reauth", "loggedout", "interim-login", "wp_lang":
		default:
			return false
		}
	}
	return true
}
