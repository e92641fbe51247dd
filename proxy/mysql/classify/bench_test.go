package classify

import "testing"

// The statements that the speed of classify is about.
var benchStatements = []struct{ name, sql string }{
	{"point", "SELECT c FROM sbtest1 WHERE id=4987"},
	{"wordpress", "SELECT SQL_CALC_FOUND_ROWS  wp_posts.ID FROM wp_posts  WHERE 1=1  AND wp_posts.post_type = 'post' " +
		"AND ((wp_posts.post_status = 'publish'))  ORDER BY wp_posts.post_date DESC LIMIT 0, 10"},
	{"laravel", "select `users`.*, `role_user`.`user_id` as `pivot_user_id` from `users` inner join `role_user` on " +
		"`users`.`id` = `role_user`.`role_id` where `role_user`.`user_id` in (1, 2, 3) and `users`.`deleted_at` is null"},
	{"insert", "INSERT INTO `wp_options` (`option_name`, `option_value`, `autoload`) VALUES ('_transient_doing_cron', " +
		"'1700000000.1234', 'yes') ON DUPLICATE KEY UPDATE `option_name` = VALUES(`option_name`)"},
	{"set_names", "SET NAMES utf8mb4"},
	{"begin", "BEGIN"},
}

func BenchmarkStatement(b *testing.B) {
	for _, s := range benchStatements {
		b.Run(s.name, func(b *testing.B) {
			sql := []byte(s.sql)
			b.ReportAllocs()
			for b.Loop() {
				Statement(sql, 0)
			}
		})
	}
}
