# frozen_string_literal: true

# Enqueues what a client of Sidekiq writes, one job of each shape. Prints their ids by shape.

require_relative "common"
require "active_job"
require "active_support/core_ext/string/inflections"
require "active_support/current_attributes"
require "sidekiq/middleware/current_attributes"

# What a request knows.
class Current < ActiveSupport::CurrentAttributes
  attribute :user_id
end

# Runs in Rust.
class Shared
  include Sidekiq::Worker
  sidekiq_options queue: "rust"
end

shapes = {
  "plain" => Shared.perform_async(1, "a", {"k" => nil}),
  "scheduled" => Shared.perform_in(3600, 1, "a", nil),
  "bulk" => Shared.perform_bulk([[1, "a", nil]]).first,
  "options" => Shared.set(retry: 5, retry_for: 3600, backtrace: 1, dead: false, tags: ["x"], locale: "de",
                          display_class: "Shown", profile: "token", custom: {"deep" => [1.0]}).perform_async(1, "a", nil),
}
Sidekiq::CurrentAttributes.persist(Sidekiq::VERSION.start_with?("6") ? Current : "Current")
Current.user_id = 5
shapes["a request's values"] = Shared.perform_async(1, "a", nil)
puts JSON.generate("version" => Sidekiq::VERSION, "shapes" => shapes)
