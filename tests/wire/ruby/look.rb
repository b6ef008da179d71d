# frozen_string_literal: true

# Prints what Sidekiq's own data API sees, as one JSON object. Numbers and texts are the API's answers, not Redis's.

require_relative "common"

def job(record)
  seen = {
    "jid" => record.jid, "class" => record.klass, "display_class" => record.display_class, "queue" => record.queue,
    "args" => record.args, "display_args" => record.display_args, "tags" => record.tags, "item" => record.item,
    "created_at" => record.created_at&.to_f, "enqueued_at" => record.enqueued_at&.to_f,
    "error_backtrace" => record.error_backtrace, "latency" => record.latency,
  }
  seen.merge!("score" => record.score, "at" => record.at.to_f, "error?" => record.error?) if record.is_a?(Sidekiq::SortedEntry)
  seen
end

stats = Sidekiq::Stats.new
history = Sidekiq::Stats::History.new(1)
numbers = %i[processed failed scheduled_size retry_size dead_size enqueued processes_size]
puts JSON.generate(
  "stats" => numbers.to_h { |name| [name, stats.public_send(name)] },
  "today" => {"processed" => history.processed.values.sum, "failed" => history.failed.values.sum},
  "queues" => Sidekiq::Queue.all.to_h { |queue| [queue.name, queue.map { |record| job(record) }] },
  "schedule" => Sidekiq::ScheduledSet.new.map { |record| job(record) },
  "retry" => Sidekiq::RetrySet.new.map { |record| job(record) },
  "dead" => Sidekiq::DeadSet.new.map { |record| job(record) },
  "processes" => Sidekiq::ProcessSet.new(false).map { |process|
    names = %w[identity hostname pid tag labels concurrency queues busy beat quiet rss rtt_us started_at]
    names.to_h { |name| [name, process[name]] }.merge("stopping" => process.stopping?)
  },
  # 6.4.1 looks for running jobs under ":workers"; 6.5 and later under ":work", which is read here the same way.
  "work" => Sidekiq.redis { |redis|
    redis.smembers("processes").flat_map do |identity|
      redis.hgetall("#{identity}:work").map do |thread, text|
        work = JSON.parse(text)
        work.merge("thread" => thread, "payload" => JSON.parse(work["payload"]), "ttl" => redis.ttl("#{identity}:work"))
      end
    end
  }
)
