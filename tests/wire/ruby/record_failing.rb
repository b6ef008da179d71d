# frozen_string_literal: true

# A job that fails, with a backtrace of no machine in particular.

require "json"
require "sidekiq"

Redis.silence_deprecations = true if defined?(Redis) && Redis.respond_to?(:silence_deprecations=)
Sidekiq.configure_server { |config| config.on(:startup) { $stdout.write("WORKS\n") } }

class Shared
  include Sidekiq::Worker
  sidekiq_retry_in { 3600 }
  def perform(*)
    raise RuntimeError, "boom", ["app/jobs/shared.rb:7:in `perform'", "app/jobs/shared.rb:3:in `call'"]
  end
end
