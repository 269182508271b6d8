#include "trainer/checkpoint/checkpoint_writer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "datasets/pack/hdf5_handles.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;
using sharding::LaneState;
using sharding::Piece;
using sharding::SampleRows;
using sharding::StateKind;

// One lane's pieces, in the order in which their elements stand in the file.
std::vector<const Piece*> pieces_of_lane(const sharding::BucketPlan& plan, std::int64_t lane) {
  std::vector<const Piece*> pieces;
  for (const Piece& piece : plan.pieces) {
    if (piece.lane == lane) pieces.push_back(&piece);
  }
  return pieces;
}

using datasets::ElementType;
using datasets::H5File;

ElementType element_type(DataType type) {
  return {type == DataType::f64 ? ElementType::Kind::f64 : ElementType::Kind::f32};
}

std::string group_of(std::int64_t lane) { return fmt::format("lane-{:05}", lane); }

void add_names(H5File& image, const std::vector<StoredParameter>& parameters) {
  std::size_t width = 1;
  for (const StoredParameter& parameter : parameters) width = std::max(width, parameter.name.size());
  std::string names(width * parameters.size(), '\0');
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].name.copy(&names[i * width], width);
  image.create_array("parameters", {ElementType::Kind::text, width}, {parameters.size()});
  image.write("parameters", 0, parameters.size(), std::as_bytes(std::span(names)));
}

// What the task remembers of the lane's samples.
void add_rows(H5File& image, const SampleRows* rows, const std::string& group, StoredLane& stored) {
  if (rows == nullptr) return;
  const auto count = static_cast<std::uint64_t>(rows->rows_of(stored.lane).count);
  const auto width = static_cast<std::uint64_t>(rows->shape().width);
  if (count == 0) return;
  if (stored.address.empty()) image.create_group(group);
  const auto array = image.create_array(group + "/rows", element_type(rows->type()), {count, width});
  stored.rows = {array.address, count, width};
}

// Arrays of one lane: `runs` says which elements of which parameter its data are, one row each.
StoredLane add_lane(H5File& image, const LaneState& state, std::int64_t lane,
                    const std::vector<const Piece*>& pieces) {
  StoredLane stored{lane, {}, {}};
  std::vector<std::uint64_t> rows;
  std::uint64_t elements = 0;
  for (const Piece* piece : pieces) {
    stored.runs.push_back({piece->parameter, piece->in_parameter, piece->elements});
    rows.insert(rows.end(), {piece->parameter, static_cast<std::uint64_t>(piece->in_parameter),
                             static_cast<std::uint64_t>(piece->elements)});
    elements += static_cast<std::uint64_t>(piece->elements);
  }
  if (elements == 0) return stored;  // a tiny model on many lanes: this one owns padding only
  const std::string group = group_of(lane);
  image.create_group(group);
  image.create_array(group + "/runs", {ElementType::Kind::u64}, {pieces.size(), 3});
  image.write(group + "/runs", 0, pieces.size(), std::as_bytes(std::span(rows)));
  for (const StateKind kind : state.kinds()) {
    const std::string name = fmt::format("{}/{}", group, name_of(kind));
    stored.address[name_of(kind)] = image.create_array(name, element_type(state.type()), {elements}).address;
  }
  return stored;
}

std::map<std::string, StoredArray> add_task(H5File& image, const TaskState& task) {
  std::map<std::string, StoredArray> stored;
  if (!task.empty()) image.create_group("task");
  for (const auto& [name, values] : task) {
    const auto array = image.create_array("task/" + name, {ElementType::Kind::f64}, {values.size()});
    stored[name] = {array.address, values.size()};
  }
  return stored;
}

void fill_lane(std::span<std::byte> image, LaneState& state, const StoredLane& lane,
               const std::vector<const Piece*>& pieces) {
  if (pieces.empty()) return;
  for (const StateKind kind : state.kinds()) {
    std::byte* to = image.data() + lane.address.at(name_of(kind));
    for (const Piece* piece : pieces) {
      const std::size_t bytes = static_cast<std::size_t>(piece->elements) * size_of(state.type());
      state.read(kind, *piece, to);
      to += bytes;
    }
  }
}

// Makes the temporary folder the checkpoint. A folder of that step may be there already: saved before the
// evaluation of that step was done.
void put_in_place(const fs::path& temporary, const fs::path& checkpoint) {
  if (fs::exists(checkpoint)) {
    fs::path replaced = checkpoint;
    replaced += ".tmp-replaced";
    std::error_code none;
    fs::remove_all(replaced, none);  // of a commit that failed later than here
    rename_durably(checkpoint, replaced);
  }
  rename_durably(temporary, checkpoint);
}

// Of a rank that has nothing to do.
std::future<std::string> ended() {
  std::promise<std::string> promise;
  promise.set_value("");
  return promise.get_future();
}

}  // namespace

// The bytes of this rank's file: HDF5's structures around the arrays, laid out once; saving fills them.
class CheckpointWriter::RankImage {
 public:
  // `own`: every slice is in one file, also where all ranks hold all of them. `task`: of rank 0, how long its
  // arrays are; of the others nothing.
  RankImage(const std::vector<StoredParameter>& parameters, LaneState& state, const SampleRows* rows,
            sharding::LaneRange own, const TaskState& task, int world, int rank)
      : stored_{.name = fmt::format("rank-{:05}-of-{:05}.h5", rank, world), .bytes = 0, .hash = {}},
        file_(H5File::in_memory(stored_.name)) {
    add_names(file_, parameters);
    for (std::int64_t lane = own.begin; lane < own.end; ++lane) {
      stored_.lanes.push_back(add_lane(file_, state, lane, pieces_of_lane(state.plan(), lane)));
      add_rows(file_, rows, group_of(lane), stored_.lanes.back());
    }
    stored_.task = add_task(file_, task);
    bytes_ = file_.image();
    stored_.bytes = bytes_.size();
    pinned_ = state.device().pin(bytes_);
  }

  // All copies are on their way before one is waited for.
  void fill(LaneState& state, SampleRows* rows, const TaskState& task) {
    for (const auto& [name, array] : stored_.task) {
      const auto values = std::as_bytes(std::span(task.at(name)).first(array.count));
      std::ranges::copy(values, bytes_.begin() + static_cast<std::ptrdiff_t>(array.address));
    }
    for (const StoredLane& lane : stored_.lanes) {
      fill_lane(bytes_, state, lane, pieces_of_lane(state.plan(), lane.lane));
      if (lane.rows) rows->read(lane.lane, bytes_.data() + lane.rows->address);
    }
    state.device().compute().finish();
  }

  // Hashed on the way to the disk.
  StoredFile write(const fs::path& folder) {
    constexpr std::size_t kChunk = std::size_t{8} << 20;
    File file(folder / stored_.name, File::Mode::create);
    Hasher hasher;
    for (std::size_t begin = 0; begin < bytes_.size(); begin += kChunk) {
      const auto chunk = bytes_.subspan(begin, std::min(kChunk, bytes_.size() - begin));
      hasher.update(chunk);
      file.write(chunk);
    }
    file.sync();
    file.close();
    stored_.hash = hasher.digest().hex();
    return stored_;
  }

  std::uint64_t bytes() const { return bytes_.size(); }

 private:
  StoredFile stored_;
  H5File file_;
  std::span<std::byte> bytes_;
  std::shared_ptr<void> pinned_;
};

CheckpointWriter::CheckpointWriter(const fs::path& checkpoints, KeepRule keep,
                                   const std::vector<StoredParameter>& parameters, LaneState& state,
                                   sharding::LaneRange own, const TaskState& task,
                                   sharding::Communicator& communicator, BeforeCommit before_commit,
                                   PhaseLog* phases, SampleRows* rows)
    : checkpoints_(checkpoints),
      keep_(keep),
      state_(state),
      rows_(rows),
      communicator_(communicator),
      before_commit_(std::move(before_commit)),
      phases_(phases),
      image_(std::make_unique<RankImage>(parameters, state, rows, own,
                                         communicator.rank() == 0 ? task : TaskState(), communicator.size(),
                                         communicator.rank())) {
  manifest_.parameters = parameters;
}

CheckpointWriter::~CheckpointWriter() {
  if (work_.valid()) work_.wait();
}

fs::path CheckpointWriter::checkpoint() const { return checkpoints_ / checkpoint_name(manifest_.state.step); }

std::uint64_t CheckpointWriter::bytes() const { return image_->bytes(); }

void CheckpointWriter::enter(Phase phase) {
  if (phases_ != nullptr) phases_->enter(phase, manifest_.state.step, PhaseLog::Track::writing);
}

void CheckpointWriter::begin(CheckpointManifest manifest) {
  manifest.parameters = std::move(manifest_.parameters);
  manifest_ = std::move(manifest);
  temporary_ = checkpoint();
  temporary_ += fmt::format(".tmp-{}", manifest_.writer);
  failure_.reset();
  if (phases_ != nullptr) phases_->enter(Phase::copy, manifest_.state.step);
  image_->fill(state_, rows_, manifest_.state.task);
  if (phases_ != nullptr) phases_->enter(Phase::none, manifest_.state.step);
  stage_ = Stage::writing;
  work_ = std::async(std::launch::async, [this] { return write_rank_file(); });
}

bool CheckpointWriter::checkpoint_written() const {
  return busy() && work_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

std::string CheckpointWriter::write_rank_file() {
  enter(Phase::write);
  make_directories(temporary_);
  const std::string written = to_json(image_->write(temporary_));
  enter(Phase::none);
  return written;
}

std::string CheckpointWriter::commit() {
  enter(Phase::manifest);
  write_text_atomically(temporary_ / "manifest.json", to_json(manifest_));
  sync_directory(temporary_);
  enter(Phase::rename);
  if (before_commit_) before_commit_(manifest_);
  put_in_place(temporary_, checkpoint());
  point_to(checkpoint(), "latest");
  const auto& best = manifest_.state.best;
  if (best && best->step == manifest_.state.step) point_to(checkpoint(), "best");
  enter(Phase::prune);
  remove_leftovers(checkpoints_);
  prune_checkpoints(checkpoints_, keep_);
  enter(Phase::none);
  return "";
}

CheckpointWriter::Outcome CheckpointWriter::advance() {
  const bool root = communicator_.rank() == 0;
  try {
    std::string written;
    sharding::agree(communicator_, [&] { written = work_.get(); });
    if (stage_ == Stage::committing) {
      stage_ = Stage::idle;
      return Outcome::committed;
    }
    for (const std::string& file : sharding::gather_text(communicator_, written)) {
      manifest_.files.push_back(stored_file_from_json(file));
    }
    stage_ = Stage::committing;
    work_ = root ? std::async(std::launch::async, [this] { return commit(); }) : ended();
    return Outcome::under_way;
  } catch (const sharding::AgreedError& e) {
    failure_ = e;
    stage_ = Stage::idle;
    enter(Phase::none);
    // Half a checkpoint is of no use, and on a full disk it stands in the way of the next attempt.
    std::error_code none;
    if (root) fs::remove_all(temporary_, none);
    return Outcome::failed;
  }
}

CheckpointWriter::Outcome CheckpointWriter::finish() {
  Outcome outcome = Outcome::under_way;
  while (outcome == Outcome::under_way) outcome = advance();
  return outcome;
}

fs::path save_checkpoint(const fs::path& checkpoints, KeepRule keep, CheckpointManifest manifest,
                         LaneState& state, sharding::Communicator& communicator, SampleRows* rows) {
  CheckpointWriter writer(checkpoints, keep, manifest.parameters, state, state.lanes(), manifest.state.task,
                          communicator, {}, nullptr, rows);
  writer.begin(std::move(manifest));
  if (writer.finish() == CheckpointWriter::Outcome::failed) throw sharding::AgreedError(writer.failure());
  return writer.checkpoint();
}

}  // namespace vitrail::trainer
