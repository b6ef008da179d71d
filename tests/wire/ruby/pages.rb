# frozen_string_literal: true

# Serves Sidekiq's own pages on a free port of the loopback, and prints the port.

require_relative "common"
require "rack"
require "sidekiq/web"
require "webrick"

app = Rack::Builder.new do
  use Rack::Session::Cookie, secret: "for a test only " * 8, same_site: true
  run Sidekiq::Web
end
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: 0, AccessLog: [], Logger: WEBrick::Log.new(File::NULL))
server.mount("/", Rack::Handler::WEBrick, app.to_app)
$stdout.write("#{server.config[:Port]}\n")
$stdout.flush
server.start
