# frozen_string_literal: true

# What the buttons of Sidekiq's pages do, through its data API.
#
#   act.rb process quiet|stop                     every process
#   act.rb retry|schedule|dead  METHOD  JID|all   METHOD of an entry: retry, add_to_queue, kill, delete
#   act.rb queue clear NAME

require_relative "common"

what, action, name = ARGV
case what
when "process"
  Sidekiq::ProcessSet.new(false).each { |process| process.public_send("#{action}!") }
when "queue"
  Sidekiq::Queue.new(name).public_send(action)
else
  set = {"retry" => Sidekiq::RetrySet, "schedule" => Sidekiq::ScheduledSet, "dead" => Sidekiq::DeadSet}.fetch(what).new
  entries = name == "all" ? set.to_a : [set.find_job(name) || abort("no job #{name} in #{what}")]
  entries.each { |entry| entry.public_send(action) }
end
puts "null"
