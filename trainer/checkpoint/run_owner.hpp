// One attempt at a time may write into a run's folder. Each claims the next number in the folder's .owners/
// by creating that file exclusively; the highest number is the owner, and a later attempt fences earlier
// ones. An owner that is gone is taken over: at once where that can be proved (a process of this machine, an
// earlier attempt of the same Slurm job), else after it gave no sign of life for a while. No clock is
// compared. Throws: Error(refused) naming an owner that is alive; Error(io).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <thread>

namespace vitrail::trainer {

// Who runs this: a Slurm job's attempt or a process.
struct Attempt {
  std::string host;
  std::int64_t process = 0;
  std::string job = {};      // Slurm's id; empty outside
  std::int64_t restart = 0;  // of that job

  std::string label() const;        // part of file names: "job77-2", "node3-4711"
  std::string description() const;  // "job 77 (restart 2) on node3", "process 4711 on node3"
};

struct OwnerTimes {
  std::chrono::milliseconds beat{5000};       // between an owner's signs of life
  std::chrono::milliseconds patience{10000};  // for an owner that is alive, and may be ending
  std::chrono::milliseconds lease{30000};     // without a sign of life: taken for dead
};

struct OwnerWait {
  std::function<void(const std::string&)> say;  // told about waiting and taking over
  std::function<bool()> stopped;                // asked while waiting; true ends it with Error(saved)
};

// Who wrote into a run last, as far as can be seen from here without waiting.
struct LastOwner {
  enum class Life { ended, alive, unknown };  // unknown: it is not of this machine

  Attempt attempt;
  std::int64_t number = 0;  // of its claim: how often the run was begun or gone on with
  Life life = Life::unknown;
  std::chrono::seconds silent{0};  // since its last sign of life, by the clock of this machine
};

std::optional<LastOwner> last_owner(const std::filesystem::path& folder);  // absent: nobody claimed it yet

class RunOwner {
 public:
  RunOwner(const std::filesystem::path& folder, const Attempt& self, const OwnerWait& wait,
           const OwnerTimes& times = {});
  ~RunOwner();  // releases the folder
  RunOwner(const RunOwner&) = delete;
  RunOwner& operator=(const RunOwner&) = delete;

  std::int64_t number() const { return number_; }  // of this attempt among all of the run

  // Error(refused) once a later attempt has taken the run over, as of now or of our last sign of life.
  enum class Look { lately, now };
  void check(Look look = Look::lately) const;

 private:
  void beat();

  std::filesystem::path folder_;
  std::int64_t number_;
  std::atomic<bool> lost_ = false;
  std::jthread heart_;
};

}  // namespace vitrail::trainer
