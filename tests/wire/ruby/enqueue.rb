# frozen_string_literal: true

# Pushes the jobs that standard input lists, a JSON array, through Sidekiq's client. An item whose "args" are marked by
# "bulk": true is a list of argument lists. Prints the job ids.

require_relative "common"

jids = JSON.parse($stdin.read).flat_map do |item|
  item.delete("bulk") ? Sidekiq::Client.push_bulk(item) : [Sidekiq::Client.push(item)]
end
puts JSON.generate(jids)
