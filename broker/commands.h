#pragma once
/* The subcommands of `freshet`. Each gets its own name as argv[0] and returns the exit code: 0, 1
 * (failed), 2 (usage). */

int audit_main(int argc, char **argv);
int broker_main(int argc, char **argv);
int crash_points_main(int argc, char **argv);
int inspect_main(int argc, char **argv);
int purge_main(int argc, char **argv);
int recover_main(int argc, char **argv);
int settings_main(int argc, char **argv);
int version_main(int argc, char **argv);
