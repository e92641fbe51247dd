<?php
// What the scripts beside this share: they say what they see, and nothing that differs between two runs on the same data.
// Usage of each: php SCRIPT HOST PORT USER PASSWORD SCHEMA OTHERUSER OTHERPASSWORD

ini_set('memory_limit', '512M');
error_reporting(E_ALL);
[, $host, $port, $user, $password, $schema, $otherUser, $otherPassword] = $argv;

// say prints one line; long and binary values as their length and sum.
function say(string $what, mixed ...$values): void
{
    $words = array_map(function (mixed $v): string {
        if (is_string($v) && (strlen($v) > 200 || !preg_match('/^[\x20-\x7e]*$/', $v))) {
            return sprintf('<%d bytes %s %s>', strlen($v), md5($v), bin2hex(substr($v, 0, 12)));
        }
        return json_encode($v, JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_SLASHES | JSON_PARTIAL_OUTPUT_ON_ERROR);
    }, $values);
    echo $what, ': ', implode(' ', $words), "\n";
}

// sayRow prints a row value by value.
function sayRow(string $what, ?array $row): void
{
    if ($row === null) {
        say($what, null);
        return;
    }
    foreach ($row as $name => $value) {
        say("$what $name", $value);
    }
}

// blob is the same bytes each time, of every value.
function blob(int $bytes): string
{
    $block = '';
    for ($i = 0; $i < 256; $i++) {
        $block .= chr($i);
    }
    return substr(str_repeat($block, intdiv($bytes, 256) + 1), 0, $bytes);
}
