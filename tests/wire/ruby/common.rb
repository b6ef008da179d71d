# frozen_string_literal: true

# What these scripts share: the packaged Sidekiq (Debian: ruby-sidekiq), on the Redis named by REDIS_URL, without a word.

require "json"
require "sidekiq"
require "sidekiq/api"

Redis.silence_deprecations = true if defined?(Redis) && Redis.respond_to?(:silence_deprecations=)
Sidekiq.logger.level = Logger::ERROR
