# One client of Ruby that writes through a failover: ruby writer.rb KEY BEAT FIRST HOST:PORT...
#
# The same writer and the same record as writer.py; the clock is the same CLOCK_MONOTONIC.

require "redis"

MASTER = "mymaster"
LIMIT = 1.0 # seconds for a connect and for a reply, as in writer.py
PAUSE = 0.005 # seconds before a number that failed is written again
GATHERED = 64

key, length, first, *words = ARGV
sentinels = words.map { |word| host, port = word.split(":"); { host: host, port: port.to_i } }
limits = { connect_timeout: LIMIT, read_timeout: LIMIT, write_timeout: LIMIT }
redis = Redis.new(url: "redis://#{MASTER}", sentinels: sentinels, role: :master, **limits)

$lines = +""
$gathered = 0

def note(line, at_once)
  $lines << line
  $gathered += 1
  return unless at_once || $gathered >= GATHERED

  $stdout.write($lines)
  $stdout.flush
  $lines.clear
  $gathered = 0
end

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
end

beat = (length.to_f * 1e9).round
due = now
number = first.to_i
loop do
  left = now
  due += [1, ((left - due) / beat.to_f).ceil].max * beat
  sleep([0, (due - left) / 1e9].max)
  begin
    redis.rpush(key, number)
  rescue StandardError => e
    note("e #{number} #{now} #{e.class.name}\n", true)
    sleep(PAUSE)
    retry
  end
  note("a #{number} #{now}\n", false)
  number += 1
end
