// What MPI would trip over, or would not even notice, said in our words before it speaks. Throw:
// Error(refused) or Error(io) with a way out. None of them touches a run's folder.
#pragma once

#include <string>

#include "launcher/ranks/environment.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {

// Tasks that were started together are ranks of one world, or each would train alone.
void check_joined(const Environment& environment);

// The same once MPI has said how large the world is.
void check_world(const Environment& environment, int rank, int size);

// `launch` starts ranks, and is itself started once.
void check_started_once(const Environment& environment);

// What only one process may do was not started several times; one of them reports it.
void check_alone(const Environment& environment, const std::string& command);

// Open MPI 4.1's mpirun writes the first part of a host's name into memory for 56 letters.
void check_host_name(const std::string& host);

// Ends this process for an error that is found before ranks can talk. One of them reports it (of each node
// where `on_each_node`); and since srun ends all others once one has gone, each stays until all should have
// found the same.
[[noreturn]] void end_before_world(const Environment& environment, const Error& error, bool on_each_node);

}  // namespace vitrail::launcher
