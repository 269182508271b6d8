#include "trainer/checkpoint_writer.hpp"

#include <algorithm>

#include "datasets/pack/hdf5_handles.hpp"
#include "sharding/gather_text.hpp"
#include "trainer/base/atomic_file.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/checkpoint_folder.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;
using sharding::LaneState;
using sharding::Piece;
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

void add_names(H5File& image, const std::vector<StoredParameter>& parameters) {
  std::size_t width = 1;
  for (const StoredParameter& parameter : parameters) width = std::max(width, parameter.name.size());
  std::string names(width * parameters.size(), '\0');
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].name.copy(&names[i * width], width);
  image.create_array("parameters", {ElementType::Kind::text, width}, {parameters.size()});
  image.write("parameters", 0, parameters.size(), std::as_bytes(std::span(names)));
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
  const std::string group = fmt::format("lane-{:05}", lane);
  image.create_group(group);
  image.create_array(group + "/runs", {ElementType::Kind::u64}, {pieces.size(), 3});
  image.write(group + "/runs", 0, pieces.size(), std::as_bytes(std::span(rows)));
  for (const StateKind kind : state.kinds()) {
    const std::string name = fmt::format("{}/{}", group, name_of(kind));
    stored.address[name_of(kind)] = image.create_array(name, element_type(state.type()), {elements}).address;
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

// Writes this rank's file and says what is in it.
StoredFile write_rank_file(const fs::path& folder, const CheckpointManifest& manifest, LaneState& state,
                           int rank) {
  StoredFile stored;
  stored.name = fmt::format("rank-{:05}-of-{:05}.h5", rank, manifest.world);
  H5File file_in_memory = H5File::in_memory(stored.name);
  add_names(file_in_memory, manifest.parameters);
  // Every lane is in one file, also where all ranks hold all lanes.
  const sharding::LaneRange lanes = sharding::lanes_of_rank(state.plan().lanes, manifest.world, rank);
  for (std::int64_t lane = lanes.begin; lane < lanes.end; ++lane) {
    stored.lanes.push_back(add_lane(file_in_memory, state, lane, pieces_of_lane(state.plan(), lane)));
  }
  const std::span<std::byte> image = file_in_memory.image();
  for (const StoredLane& lane : stored.lanes) {
    fill_lane(image, state, lane, pieces_of_lane(state.plan(), lane.lane));
  }
  stored.bytes = image.size();
  stored.hash = hash_bytes(image).hex();
  File file(folder / stored.name, File::Mode::create);
  file.write(image);
  file.sync();
  file.close();
  return stored;
}

// Makes the temporary folder the checkpoint. A folder of that step may be there already: saved before the
// evaluation of that step was done.
void commit(const fs::path& temporary, const fs::path& checkpoint, const CheckpointManifest& manifest) {
  write_text_atomically(temporary / "manifest.json", to_json(manifest));
  sync_directory(temporary);
  if (fs::exists(checkpoint)) {
    fs::path replaced = checkpoint;
    replaced += ".tmp-replaced";
    rename_durably(checkpoint, replaced);
  }
  rename_durably(temporary, checkpoint);
  point_latest_to(checkpoint);
}

}  // namespace

fs::path save_checkpoint(const fs::path& checkpoints, std::int64_t keep_last, CheckpointManifest manifest,
                         LaneState& state, sharding::Communicator& communicator,
                         const std::function<void()>& before_commit) {
  const bool root = communicator.rank() == 0;
  const fs::path checkpoint = checkpoints / checkpoint_name(manifest.state.step);
  fs::path temporary = checkpoint;
  temporary += fmt::format(".tmp-{}", manifest.writer);

  try {
    sharding::agree(communicator, [&] {
      if (root) make_directories(temporary);
    });
    std::string written;
    sharding::agree(communicator, [&] {
      written = to_json(write_rank_file(temporary, manifest, state, communicator.rank()));
    });
    for (const std::string& file : sharding::gather_text(communicator, written)) {
      manifest.files.push_back(stored_file_from_json(file));
    }
    sharding::agree(communicator, [&] {
      if (!root) return;
      if (before_commit) before_commit();
      commit(temporary, checkpoint, manifest);
      remove_leftovers(checkpoints);
      prune_checkpoints(checkpoints, keep_last);
    });
  } catch (const Error&) {
    // Half a checkpoint is of no use, and on a full disk it stands in the way of the next attempt.
    std::error_code none;
    if (root) fs::remove_all(temporary, none);
    throw;
  }
  return checkpoint;
}

}  // namespace vitrail::trainer
