// The commands of the program: names, what they take and one line of what they do.
// Throws: Error(usage) for an unknown name, with the nearest known one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace vitrail::launcher {

enum class Command {
  pack,
  verify,
  info,
  preview,
  launch,
  train,
  eval,
  predict,
  models,
  export_weights,
  import_weights,
  checkpoint,
  plan,
  bench,
  sweep
};

struct CommandInfo {
  Command command;
  std::string_view name;
  std::string_view usage;  // what follows the name
  std::string_view summary;
  std::string_view example;
  std::size_t least_arguments = 0;  // words without a key: PACK, PATH
  std::size_t most_arguments = 0;
};

std::span<const CommandInfo> commands();  // in the order of help
const CommandInfo& info_of(Command command);
Command command_named(const std::string& name);

}  // namespace vitrail::launcher
