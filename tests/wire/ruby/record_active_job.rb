# frozen_string_literal: true

# Enqueues what ActiveJob writes through Sidekiq. Prints the ids by shape.

require_relative "common"
require "active_job"
require "active_job/queue_adapters/sidekiq_adapter" unless Sidekiq::VERSION.start_with?("8")

ActiveJob::Base.queue_adapter = :sidekiq
ActiveJob::Base.logger = nil
I18n.enforce_available_locales = false

# Runs in Rust.
class Shared < ActiveJob::Base
  queue_as "rust"
end

puts JSON.generate(
  "ActiveJob" => Shared.perform_later(1, "a", {"k" => nil}).provider_job_id,
  "ActiveJob, scheduled" => Shared.set(wait: 3600).perform_later(1, "a", nil).provider_job_id
)
