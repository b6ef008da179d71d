# frozen_string_literal: true

# Prints what Sidekiq's own query of its metrics finds of the last hour: totals by class, the deploys, and for the class that
# is named the number of runs in each bucket of its histogram. Only the version before 7, which has no metrics.

require_relative "common"

begin
  require "sidekiq/metrics/query"
  require "sidekiq/deploy"
rescue LoadError
  puts JSON.generate("version" => Sidekiq::VERSION)
  exit
end

query = Sidekiq::Metrics::Query.new
top = query.top_jobs(minutes: 60)
histogram = query.for_job(ARGV.fetch(0), minutes: 60).job_results[ARGV.fetch(0)].hist
puts JSON.generate(
  "version" => Sidekiq::VERSION,
  "totals" => top.job_results.transform_values(&:totals),
  "deploys" => top.marks.map(&:label),
  "histogram" => histogram.values.transpose.map(&:sum)
)
