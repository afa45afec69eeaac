"""Golden histories: what running migrations have already been through, which every later version must still replay.

A migration runs for days and is upgraded while it runs. Durable Functions then replays a history that the old code made
through the new code, and the new code must decide again what the old one decided. Where it does not, the migration is
stuck. So histories are recorded here, and `test_histories` replays each of them with the present code.

    situations.py    the table of situations: edit this
    record.py        python -m tests.histories.record: runs the table, writes recorded/*.json (the same each time)
    recordings.py    a recording, in memory and in its file
    replay.py        the check: what does the present code decide, and where does it differ?
    recorded/        NAME.json: made by the command. NAME@VERSION.json: of a version in use, kept by hand

When the check fails, its message says which of two things has happened.

- *Migrations in flight may break.* You changed which activities, timers, events or children come in which order, what
  they are asked, or what an orchestration can take as its input. Where an action has become another, Durable fails the
  instance; where it is only asked something else, the instance goes on with the answer to what the old code asked. Undo
  it; or branch on something that is in the history (a field of the input that old ones lack); or give the new
  orchestration a new name and leave the old one in place until nothing runs it; or let every migration end before the
  upgrade. Only if you can say why neither matters here (a timer that is a second longer), record anew.
- *Replays go on, but what comes of them changes.* The input of the next generation, the output or the custom
  status differs. Nothing gets stuck. See that the new code takes what the old one hands over, and record anew.

Record anew when a row of the table is new or changed, and when the version that made the recordings was never in use.
Read the diff as a reviewer of your change will: it is what running migrations will notice.

Keep the old file where the version that made it is in use: copy NAME.json to NAME@VERSION.json (say, `@1.4`) before
recording anew. The command never touches kept files, the test replays them for ever (only what may break counts then),
and no row needs to stand for them. Of an orchestration that was given a new name, keep all recordings until nothing
runs it.

Never delete a kept file while a migration of its version may run. It is the only sign that the code can still finish
that migration: without it the tests pass, and the migration hangs with VMs half moved, which nobody's test has seen.
"""

import os

os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"  # as in production; the SDK reads it at import
