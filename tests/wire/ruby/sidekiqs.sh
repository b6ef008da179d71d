#!/usr/bin/env bash
# Runs the tests of the shared format with the newer Sidekiqs of Debian, each in a system of its own under target/sidekiqs:
# 7.3 (trixie) and 8.1 (forky, or what follows it there). Needs root, and Debian's mmdebstrap.
#
#   tests/wire/ruby/sidekiqs.sh                     all of them
#   tests/wire/ruby/sidekiqs.sh -E 'test(metrics)'  with arguments for cargo nextest
set -eu
cd "$(dirname "$0")/../../.."

command -v mmdebstrap >/dev/null || apt-get install -y -qq mmdebstrap >/dev/null
# The mirror that this machine uses already.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$')

failed=0
mkdir -p target/sidekiqs
for suite in trixie forky; do
  root=target/sidekiqs/$suite
  if ! [ -d "$root" ]; then
    # A test suite of Debian is as old as the mirror's copy of it.
    mmdebstrap --quiet --variant=apt --aptopt='APT::Sandbox::User "root"' --aptopt='Acquire::Check-Valid-Until "false"' \
      --include=ruby-sidekiq,ruby-activejob,ruby-rack-session,ruby-rackup,ruby-webrick "$suite" "$root.part" "$mirror"
    mv "$root.part" "$root"
  fi
  printf '\n==> Sidekiq %s\n' "$(chroot "$root" ruby -e 'require "sidekiq"; puts Sidekiq::VERSION')"
  KIQ_TEST_SIDEKIQ=$PWD/$root cargo nextest run --locked --all-features --no-fail-fast --test wire "$@" || failed=1
done
exit $failed
