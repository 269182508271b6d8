// Which commands share settings, as the option table names them.
#pragma once

#include <vector>

#include "launcher/cli/command.hpp"

namespace vitrail::launcher {

inline const std::vector<Command> kStarting = {Command::launch, Command::train};
inline const std::vector<Command> kTraining = {Command::launch, Command::train, Command::plan};
inline const std::vector<Command> kLoading = {Command::launch, Command::train, Command::plan, Command::bench};
inline const std::vector<Command> kRunning = {Command::launch, Command::train, Command::plan, Command::eval};
inline const std::vector<Command> kAsking = {Command::launch, Command::train, Command::plan, Command::eval,
                                             Command::predict};
inline const std::vector<Command> kRunningOrLoading = {Command::launch, Command::train, Command::plan,
                                                       Command::eval, Command::bench};
inline const std::vector<Command> kAskingOrLoading = {Command::launch, Command::train,   Command::plan,
                                                      Command::eval,   Command::predict, Command::bench};
inline const std::vector<Command> kWeighted = {Command::launch, Command::train,   Command::plan,
                                               Command::eval,   Command::predict, Command::import_weights};
inline const std::vector<Command> kNamed = {Command::launch, Command::train,   Command::plan,
                                            Command::eval,   Command::predict, Command::import_weights,
                                            Command::bench};
inline const std::vector<Command> kModelled = {Command::launch, Command::train,         Command::plan,
                                               Command::eval,   Command::predict,       Command::models,
                                               Command::bench,  Command::import_weights};
inline const std::vector<Command> kPlanned = {Command::launch, Command::train, Command::plan, Command::models,
                                              Command::bench};
inline const std::vector<Command> kAugmenting = {Command::launch, Command::train, Command::plan,
                                                 Command::preview, Command::bench};
inline const std::vector<Command> kPictured = {Command::launch, Command::train,          Command::plan,
                                               Command::eval,   Command::predict,        Command::models,
                                               Command::bench,  Command::import_weights, Command::preview};
inline const std::vector<Command> kNormalising = {Command::launch, Command::train,   Command::plan,
                                                  Command::eval,   Command::predict, Command::import_weights,
                                                  Command::bench,  Command::preview};
inline const std::vector<Command> kConfigured = kPictured;  // these take --config

}  // namespace vitrail::launcher
