# frozen_string_literal: true

# Serves Sidekiq's own pages on a free port of the loopback, and prints the port.

require_relative "common"
require "rack"
require "rack/session" if Gem.loaded_specs["rack"].nil? || Rack.release >= "3"
require "sidekiq/web"
require "webrick"
begin
  require "rackup/handler/webrick"
  handler = Rackup::Handler::WEBrick
rescue LoadError
  handler = Rack::Handler::WEBrick
end

app = Rack::Builder.new do
  use Rack::Session::Cookie, secret: "for a test only " * 8, same_site: true
  run Sidekiq::Web
end
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: 0, AccessLog: [], Logger: WEBrick::Log.new(File::NULL))
server.mount("/", handler, app.to_app)
$stdout.write("#{server.config[:Port]}\n")
$stdout.flush
server.start
