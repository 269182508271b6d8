// One setting of a Config: a key with a section, and what its value decides. A section's settings are
// declared in sections/, one file each.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trainer/settings/config.hpp"
#include "trainer/settings/field.hpp"

namespace vitrail::trainer {

// What a setting decides, so what happens where it changes between two attempts of a run and between tasks
// of a sweep.
// In this order from strict to lenient.
enum class Effect {
  identity,  // another value is another run: refused
  result,    // said in the log; tasks are not comparable
  rounding,  // the last bits of a result: said in the log; tasks are comparable
  speed,     // no result depends on it: silent
  place      // where things lie, when they are done and how they are watched: silent
};

struct Setting : Field<Config> {
  Setting(Field<Config> field, Effect decides, bool has_run)
      : Field<Config>(std::move(field)), effect(decides), of_runs(has_run) {}

  Effect effect;
  bool of_runs;  // false: of evaluations alone, no run has it
};

using SettingAbout = About<Config>;
using SettingCondition = Condition<Config>;

// The settings of one struct. Reach: (Config&) -> Owner&, const alike.
template <class Reach>
class Section {
 public:
  using Owner = OwnerOf<Config, Reach>;

  Section(std::vector<Setting>& table, std::string name, Reach reach, bool of_runs = true)
      : table_(table), name_(std::move(name)), reach_(reach), of_runs_(of_runs) {}

  template <class T>
  void add(const std::string& key, T Owner::*member, Effect effect, SettingAbout about,
           Rule<std::type_identity_t<T>> rule = {}) const {
    table_.emplace_back(
        field_of<Config>(name_ + "." + key, reach_, member, std::move(about), std::move(rule)), effect,
        of_runs_);
  }

  template <class E>
  void choice(const std::string& key, E Owner::*member, std::vector<std::pair<E, std::string>> names,
              Effect effect, SettingAbout about) const {
    table_.emplace_back(
        choice_of<Config>(name_ + "." + key, reach_, member, std::move(names), std::move(about)), effect,
        of_runs_);
  }

 private:
  std::vector<Setting>& table_;
  std::string name_;
  Reach reach_;
  bool of_runs_;
};

}  // namespace vitrail::trainer
