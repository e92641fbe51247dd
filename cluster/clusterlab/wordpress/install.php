<?php
// Installs WordPress as wp-admin/install.php does, without a browser.
define('WP_INSTALLING', true);
define('WP_SITEURL', getenv('WP_URL'));
$_SERVER['HTTP_HOST'] = preg_replace('#^https?://#', '', getenv('WP_URL'));
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['SERVER_NAME'] = 'localhost';
$_SERVER['REQUEST_METHOD'] = 'GET';
function wp_mail() { return true; } // Nobody is written to.
require getenv('WP_DIR') . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install('Galley', getenv('WP_USER'), 'admin@example.com', true, '', addslashes(getenv('WP_PASSWORD')));
update_option('siteurl', getenv('WP_URL'));
update_option('home', getenv('WP_URL'));
update_option('permalink_structure', '/%postname%/');
update_option('comment_previously_approved', 0);
update_option('comment_moderation', 0);
update_option('comments_notify', 0);
update_option('moderation_notify', 0);
foreach (array('Fore and aft', 'The oars', 'A hundred rowers') as $title) {
	wp_insert_post(array('post_title' => $title, 'post_content' => str_repeat("<p>A galley is rowed, and it has sails too.</p>\n", 20), 'post_status' => 'publish', 'post_author' => 1));
}
delete_option('rewrite_rules'); // Made anew, with the permalinks set above, by the first visit.
echo "installed\n";
