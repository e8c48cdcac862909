<?php
/*
 * One client of PHP that writes through a failover: php writer.php KIND KEY BEAT FIRST HOST:PORT...
 *
 * The same writer and the same record as writer.py; hrtime() is the same CLOCK_MONOTONIC. php-redis brings a class that
 * asks a Sentinel; whom to ask, and when to ask again, is the application's: here after every error.
 */

const MASTER = "mymaster";
const LIMIT = 1.0;     // seconds for a connect and for a reply, as in writer.py
const PAUSE = 5000;    // microseconds before a number that failed is written again
const GATHERED = 64;

[, $kind, $key, $length, $first] = $argv;
$words = array_slice($argv, 5);

function by_php_redis(array $words): callable
{
    $redis = null;
    return function (string $key, int $number) use (&$redis, $words) {
        try {
            if ($redis === null) {
                $redis = connected($words);
            }
            if ($redis->rPush($key, (string) $number) === false) {
                throw new RedisException($redis->getLastError() ?? "false");
            }
        } catch (Throwable $error) {
            $redis = null;
            throw $error;
        }
    };
}

function connected(array $words): Redis
{
    foreach ($words as $word) {
        [$host, $port] = explode(":", $word);
        try {
            $sentinel = new RedisSentinel($host, (int) $port, LIMIT, null, 0, LIMIT);
            $found = $sentinel->getMasterAddrByName(MASTER);
        } catch (RedisException $error) {
            continue;
        }
        if ($found) {
            $redis = new Redis();
            $redis->connect($found[0], (int) $found[1], LIMIT, null, 0, LIMIT);
            return $redis;
        }
    }
    throw new RedisException("no Sentinel names the master");
}

function by_predis(array $words): callable
{
    require_once "Predis/autoload.php";
    $limits = "timeout=" . LIMIT . "&read_write_timeout=" . LIMIT;
    $sentinels = array_map(fn ($word) => "tcp://$word?$limits", $words);
    $parameters = ["timeout" => LIMIT, "read_write_timeout" => LIMIT];
    $client = new Predis\Client($sentinels, ["replication" => "sentinel", "service" => MASTER, "parameters" => $parameters]);
    return fn (string $key, int $number) => $client->rpush($key, [(string) $number]);
}

$lines = "";
$gathered = 0;

function note(string $line, bool $at_once): void
{
    global $lines, $gathered;
    $lines .= $line;
    if ($at_once || ++$gathered >= GATHERED) {
        fwrite(STDOUT, $lines);
        fflush(STDOUT);
        $lines = "";
        $gathered = 0;
    }
}

$push = $kind === "predis" ? by_predis($words) : by_php_redis($words);
$beat = (int) round((float) $length * 1e9);
$due = hrtime(true);
for ($number = (int) $first; ; $number++) {
    $now = hrtime(true);
    $due += max(1, (int) ceil(($now - $due) / $beat)) * $beat;
    usleep(max(0, intdiv($due - $now, 1000)));
    while (true) {
        try {
            $push($key, $number);
            break;
        } catch (Throwable $error) {
            note("e $number " . hrtime(true) . " " . str_replace(" ", "", get_class($error)) . "\n", true);
            usleep(PAUSE);
        }
    }
    note("a $number " . hrtime(true) . "\n", false);
}
