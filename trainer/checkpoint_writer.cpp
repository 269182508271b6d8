#include "trainer/checkpoint_writer.hpp"

#include <cstring>

#include "sharding/gather_text.hpp"
#include "trainer/base/atomic_file.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/checkpoint_folder.hpp"
#include "trainer/hdf5_image_handles.hpp"

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

struct LaneData {
  StoredLane stored;
  std::vector<const Piece*> pieces;
  std::map<StateKind, std::size_t> data;  // handle in the image
};

LaneData add_lane(Hdf5Image& image, const LaneState& state, std::int64_t lane) {
  LaneData result;
  result.stored.lane = lane;
  result.pieces = pieces_of_lane(state.plan(), lane);
  std::vector<std::uint64_t> table;
  std::uint64_t elements = 0;
  for (const Piece* piece : result.pieces) {
    result.stored.runs.push_back({piece->parameter, piece->in_parameter, piece->elements});
    for (const auto value :
         {static_cast<std::int64_t>(piece->parameter), piece->in_parameter, piece->elements}) {
      table.push_back(static_cast<std::uint64_t>(value));
    }
    elements += static_cast<std::uint64_t>(piece->elements);
  }
  const std::string group = fmt::format("/lane-{:05}", lane);
  image.add_group(group);
  if (elements == 0) return result;  // a tiny model on many lanes: this one owns padding only
  image.add_table(group + "/runs", table, 3);
  for (const StateKind kind : sharding::kStateKinds) {
    result.data[kind] = image.add_data(fmt::format("{}/{}", group, name_of(kind)), state.type(), {elements});
  }
  return result;
}

void fill_lane(Hdf5Image& image, LaneState& state, LaneData& lane) {
  for (const auto& [kind, data] : lane.data) {
    const std::uint64_t address = image.address(data);
    lane.stored.address[name_of(kind)] = address;
    std::byte* to = image.bytes().data() + address;
    for (const Piece* piece : lane.pieces) {
      const std::size_t bytes = static_cast<std::size_t>(piece->elements) * size_of(state.type());
      std::memcpy(to, state.piece(kind, *piece), bytes);
      to += bytes;
    }
  }
}

// Writes this rank's file and says what is in it.
StoredFile write_rank_file(const fs::path& folder, const CheckpointManifest& manifest, LaneState& state,
                           int rank) {
  Hdf5Image image;
  std::vector<std::string> names;
  for (const StoredParameter& parameter : manifest.parameters) names.push_back(parameter.name);
  image.add_names("/parameters", names);
  std::vector<LaneData> lanes;
  for (std::int64_t lane = state.lanes().begin; lane < state.lanes().end; ++lane) {
    lanes.push_back(add_lane(image, state, lane));
  }
  image.lay_out();
  StoredFile stored;
  for (LaneData& lane : lanes) {
    fill_lane(image, state, lane);
    stored.lanes.push_back(lane.stored);
  }
  stored.name = fmt::format("rank-{:05}-of-{:05}.h5", rank, manifest.world);
  stored.bytes = image.bytes().size();
  stored.hash = hash_bytes(image.bytes()).hex();
  File file(folder / stored.name, File::Mode::create);
  file.write(image.bytes());
  file.sync();
  file.close();
  return stored;
}

// Makes the temporary folder the checkpoint. A folder of that step may be there already: a damaged one that
// the restore passed over.
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
                         LaneState& state, sharding::Communicator& communicator) {
  const bool root = communicator.rank() == 0;
  const fs::path checkpoint = checkpoints / checkpoint_name(manifest.state.step);
  fs::path temporary = checkpoint;
  temporary += fmt::format(".tmp-{}", manifest.writer);

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
    commit(temporary, checkpoint, manifest);
    remove_leftovers(checkpoints);
    prune_checkpoints(checkpoints, keep_last);
  });
  return checkpoint;
}

}  // namespace vitrail::trainer
