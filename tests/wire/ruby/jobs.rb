# frozen_string_literal: true

# The job classes of a Sidekiq process. Each run is told to the list "ruby:runs".

require "json"
require "sidekiq"

Redis.silence_deprecations = true if defined?(Redis) && Redis.respond_to?(:silence_deprecations=)

# Tells how a run ended, with the whole record of the job as Ruby saw it.
class TellRuns
  def call(_job, item, queue)
    ended = "raised"
    yield
    ended = "ok"
  ensure
    Sidekiq.redis { |redis| redis.rpush("ruby:runs", JSON.generate("item" => item, "queue" => queue, "ended" => ended)) }
  end
end

Sidekiq.configure_server do |config|
  if config.respond_to?(:options)
    config.options[:poll_interval_average] = 0.2
  else
    config[:poll_interval_average] = 0.2
    config.average_scheduled_poll_interval = 0.2
  end
  config.server_middleware { |chain| chain.add TellRuns }
  config.on(:startup) { $stdout.write("WORKS\n") }
end

# The same name as a job of the Rust side.
class Shared
  include Sidekiq::Worker
  def perform(*); end
end

class OnlyRuby
  include Sidekiq::Worker
  def perform(*); end
end

# The fleet's job.
class Tell
  include Sidekiq::Worker
  def perform(*); end
end

# Enqueues a Rust job.
class Relay
  include Sidekiq::Worker
  def perform(name, args)
    Sidekiq::Client.push("class" => name, "args" => args, "queue" => "rust")
  end
end

# Succeeds where Rust runs it.
class FailsInRuby
  include Sidekiq::Worker
  sidekiq_options retry: 5, backtrace: true
  sidekiq_retry_in { 1 }
  def perform(*)
    raise ArgumentError, "not in <Ruby>"
  end
end

class FailsLater
  include Sidekiq::Worker
  sidekiq_retry_in { 3600 }
  def perform(*)
    raise ArgumentError, "later"
  end
end

class DiesInRuby
  include Sidekiq::Worker
  sidekiq_options retry: 0
  def perform(*)
    raise "dead in Ruby"
  end
end

# Succeeds where Ruby runs it.
class FailsInRust
  include Sidekiq::Worker
  def perform(*); end
end
