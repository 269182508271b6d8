// One option of the program: a setting of a run, which the trainer declares, or a flag of a command; with the
// commands that use it. A FlagSection binds the fields of one struct; the table is
// launcher/options/options.cpp.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "launcher/cli/command_line.hpp"
#include "trainer/settings/setting.hpp"

namespace vitrail::launcher {

using trainer::above;
using trainer::above_to;
using trainer::at_least;
using trainer::from_to;
using Condition = trainer::Condition<CommandLine>;
using About = trainer::About<CommandLine>;

// Flags of single commands have no section: "source".
struct Option : trainer::Field<CommandLine> {
  Option(trainer::Field<CommandLine> field, std::vector<Command> users, bool stands_alone = false)
      : Field(std::move(field)), commands(std::move(users)), is_switch(stands_alone) {}

  std::vector<Command> commands;
  bool is_switch;  // stands alone, without a value

  bool is_setting() const { return key.find('.') != std::string::npos; }  // may stand in a config file
  bool used_by(Command command) const;
};

Option option_of(const trainer::Setting& setting);

// Options of one struct. Reach: (CommandLine&) -> Owner&, const alike.
template <class Reach>
class FlagSection {
 public:
  using Owner = trainer::OwnerOf<CommandLine, Reach>;

  // Without a name: flags of single commands.
  FlagSection(std::vector<Option>& table, std::string name, std::vector<Command> commands, Reach reach)
      : table_(table), name_(std::move(name)), commands_(std::move(commands)), reach_(reach) {}

  template <class T>
  void add(const std::string& name, T Owner::*member, About about,
           trainer::Rule<std::type_identity_t<T>> rule = {}) const {
    table_.emplace_back(
        trainer::field_of<CommandLine>(key_of(name), reach_, member, std::move(about), std::move(rule)),
        commands_, std::is_same_v<T, bool> && name_.empty());
  }

  template <class E>
  void choice(const std::string& name, E Owner::*member, std::vector<std::pair<E, std::string>> names,
              About about) const {
    table_.emplace_back(
        trainer::choice_of<CommandLine>(key_of(name), reach_, member, std::move(names), std::move(about)),
        commands_);
  }

 private:
  std::string key_of(const std::string& name) const { return name_.empty() ? name : name_ + "." + name; }

  std::vector<Option>& table_;
  std::string name_;
  std::vector<Command> commands_;
  Reach reach_;
};

}  // namespace vitrail::launcher
