// What each command does, once its line is parsed. Results go to stdout (one JSON document with --format
// json), words to stderr. Return the exit code; throw Error for what stops them.
#pragma once

#include "launcher/cli/command_line.hpp"
#include "launcher/ranks/environment.hpp"

namespace vitrail::launcher {

// data_commands.cpp
ExitCode run_pack(const CommandLine& line, const Environment& environment);
ExitCode run_verify(const CommandLine& line);
ExitCode run_info(const CommandLine& line);
ExitCode run_preview(const CommandLine& line);

// launch_command.cpp; `notes`: to be said first
ExitCode run_launch(const CommandLine& line, const Environment& environment,
                    const std::vector<std::string>& notes);

// training_commands.cpp
ExitCode run_print_schedule(const CommandLine& line);  // launch and train with --print-schedule
ExitCode run_train(const CommandLine& line, const Environment& environment);
ExitCode run_eval(const CommandLine& line, const Environment& environment);

// predict_command.cpp
ExitCode run_predict(const CommandLine& line, const Environment& environment);

// weights_commands.cpp
ExitCode run_models(const CommandLine& line);
ExitCode run_export(const CommandLine& line);
ExitCode run_import(const CommandLine& line);
ExitCode run_checkpoint(const CommandLine& line);

// sweep_command.cpp
ExitCode run_sweep(const CommandLine& line, const Environment& environment);

// plan_command.cpp
ExitCode run_plan(const CommandLine& line);

// bench_command.cpp
ExitCode run_bench(const CommandLine& line);

}  // namespace vitrail::launcher
