#!/usr/bin/env bash
# Breaks one thing at a time in a copy of the last commit, and wants a test to fail each time: a test that cannot fail is none.
#
#   tests/faking/mutants.sh            all of them (some minutes)
#   tests/faking/mutants.sh children   those whose name has that word
#
# Each: name | file | what is there | what is put there | test binary | the test that must fail.
set -u
cd "$(dirname "$0")/../.." || exit 1

mutants() {
  cat <<'TABLE'
children are not followed|kiq-testing/src/drain.rs|let mut drained = Drained::default();|let mut drained = Drained::default(); let known: Vec<_> = fake.waiting().iter().map(\|job\| job.payload.jid().clone()).collect(); let is_of = \|bytes: &[u8], _: Option<&str>\| kiq_runtime::job::Payload::parse(bytes).is_ok_and(\|job\| known.contains(job.jid()));|faking|draining_follows_what_jobs_enqueue
an endless drain is taken for done|kiq-testing/src/drain.rs|return Err(DrainError::Endless { limit: plan.limit, drained: Box::new(drained) });|return Ok(drained);|faking|a_job_that_enqueues_itself_for_ever_is_reported
failures are passed over|kiq-testing/src/drain.rs|if fails && !plan.failures {|if fails && plan.failures {|faking|the_first_failure_surfaces
retries end a drain that plays them|kiq-testing/src/drain.rs|Outcome::Retry { .. } => !plan.retries,|Outcome::Retry { .. } => true,|faking|retries_are_played_through
a dropped drain keeps its job|kiq-testing/src/drain.rs|let _ = crate::at_once(self.worker.give_back(&self.unit));|let _ = self.worker;|faking|a_job_whose_drain_is_dropped_goes_back_to_its_queue
queues go before the order of arrival|kiq-runtime/src/broker/memory/mod.rs|Some((jobs.get(at)?.arrival, queue.clone(), at))|Some((0, queue.clone(), at))|faking|jobs_run_in_the_order_they_were_enqueued
a queue is not compared|kiq-testing/src/assertions.rs|.filter(\|queue\| **queue != job.queue())|.filter(\|_\| false)|faking|what_is_enqueued_can_be_asserted
a mode covers a thread and not its runtime|kiq-runtime/src/client/ambient.rs|\|handle\| Place::Runtime(handle.id()));|\|_\| Place::of_the_thread());|faking|tasks_are_covered_in_a_multi_thread_runtime
a test is not known as one|kiq-runtime/src/client/in_test.rs|    *IS|    false|faking|a_test_without_a_mode_gets_an_error_and_never_the_client_of_the_process
the gopher stops before awaits alone|kiq-runtime/src/awaits.rs|Poll::Ready(_) if self.pass(&watch, Side::After) => Poll::Pending,|Poll::Ready(_) if false => Poll::Pending,|gopher|the_double_charge_is_found
the gopher ends with a short run|kiq-testing/src/gopher/mod.rs|if !is_stopped && number >= first.places {|if !is_stopped {|gopher|a_run_with_fewer_places_than_the_first_is_not_the_end
the gopher compares nothing|kiq-testing/src/gopher/mod.rs|if state == *expected \|\| state.is_none()|if true|gopher|the_double_email_is_found
TABLE
}

copy=$(mktemp -d)
git worktree add --quiet --detach "$copy" HEAD || exit 1
trap 'git worktree remove --force "$copy"' EXIT
export CARGO_TARGET_DIR=${KIQ_MUTANTS_TARGET:-$PWD/target/mutants} RUST_BACKTRACE=0
cd "$copy" || exit 1

run() { cargo nextest run --locked --package kiq --package kiq-sample --all-features --test "$1" -E "test($2)"; }

survivors=0
while IFS= read -r row; do
  # `\|` stands for a bar.
  IFS=$'\x01' read -r name file there put target test < <(sed 's/\\|/\x02/g; s/|/\x01/g; s/\x02/|/g' <<<"$row")
  case $name in *"${1:-}"*) ;; *) continue ;; esac
  text=$(<"$file")
  if [ "${text#*"$there"}" = "$text" ]; then
    echo "OUT OF DATE  $name: $file has no \`$there\`"
    survivors=$((survivors + 1))
    continue
  fi
  printf '%s\n' "${text%%"$there"*}$put${text#*"$there"}" >"$file"
  output=$(run "$target" "$test" </dev/null 2>&1)
  if grep -q "FAIL.*$test" <<<"$output"; then
    echo "found        $name, by $test"
  else
    echo "SURVIVES     $name: $test does not fail"
    tail -n 15 <<<"$output" | sed 's/^/    /'
    survivors=$((survivors + 1))
  fi
  git checkout --quiet -- "$file"
done < <(mutants)
echo "$survivors survive"
[ "$survivors" = 0 ]
