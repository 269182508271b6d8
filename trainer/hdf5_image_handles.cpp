#include "trainer/hdf5_image_handles.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

// The innermost reason on HDF5's error stack.
herr_t take_reason(unsigned depth, const H5E_error2_t* error, void* reason) {
  if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(reason) = error->desc;
  return 0;
}

template <class Status>
Status check(Status status, const char* call) {
  if (status >= 0) return status;
  std::string reason = "no reason given";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_reason, &reason);
  throw Error(ExitCode::crash, fmt::format("{} failed: {}", call, reason));
}

class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() { close_(id_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  hid_t get() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

hid_t hdf5_type(DataType type) { return type == DataType::f64 ? H5T_IEEE_F64LE : H5T_IEEE_F32LE; }

}  // namespace

Hdf5Image::Hdf5Image() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // errors come as exceptions, not as print-outs
  const Handle access(check(H5Pcreate(H5P_FILE_ACCESS), "H5Pcreate"), H5Pclose);
  constexpr std::size_t kGrowBy = std::size_t{1} << 20;
  check(H5Pset_fapl_core(access.get(), kGrowBy, false), "H5Pset_fapl_core");
  const Handle creation(check(H5Pcreate(H5P_FILE_CREATE), "H5Pcreate"), H5Pclose);
  file_ = check(H5Fcreate("state", H5F_ACC_TRUNC, creation.get(), access.get()), "H5Fcreate");
}

Hdf5Image::~Hdf5Image() {
  bool closed = true;
  for (const hid_t dataset : data_) closed = H5Dclose(dataset) >= 0 && closed;
  closed = H5Fclose(file_) >= 0 && closed;
  if (!closed) std::fputs("vitrail: closing an HDF5 image failed\n", stderr);
}

void Hdf5Image::add_group(const std::string& path) {
  const Handle group(
      check(H5Gcreate2(file_, path.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "H5Gcreate2"), H5Gclose);
}

// Contiguous, allocated now, never filled, no time stamps: one address, and the same state gives the same
// bytes.
hid_t Hdf5Image::make_dataset(const std::string& path, hid_t type, const std::vector<std::uint64_t>& shape) {
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  const Handle space(
      check(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), "H5Screate_simple"),
      H5Sclose);
  const Handle creation(check(H5Pcreate(H5P_DATASET_CREATE), "H5Pcreate"), H5Pclose);
  check(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), "H5Pset_alloc_time");
  check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "H5Pset_fill_time");
  check(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  return check(H5Dcreate2(file_, path.c_str(), type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
               "H5Dcreate2");
}

std::size_t Hdf5Image::add_data(const std::string& path, DataType type,
                                const std::vector<std::uint64_t>& shape) {
  data_.push_back(make_dataset(path, hdf5_type(type), shape));
  return data_.size() - 1;
}

void Hdf5Image::add_table(const std::string& path, const std::vector<std::uint64_t>& values,
                          std::uint64_t columns) {
  const Handle dataset(make_dataset(path, H5T_STD_U64LE, {values.size() / columns, columns}), H5Dclose);
  check(H5Dwrite(dataset.get(), H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "H5Dwrite");
}

void Hdf5Image::add_names(const std::string& path, const std::vector<std::string>& names) {
  std::size_t width = 1;
  for (const std::string& name : names) width = std::max(width, name.size() + 1);
  std::string packed(width * names.size(), '\0');
  for (std::size_t i = 0; i < names.size(); ++i)
    std::memcpy(&packed[i * width], names[i].data(), names[i].size());
  const Handle type(check(H5Tcopy(H5T_C_S1), "H5Tcopy"), H5Tclose);
  check(H5Tset_size(type.get(), width), "H5Tset_size");
  const Handle dataset(make_dataset(path, type.get(), {names.size()}), H5Dclose);
  check(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()), "H5Dwrite");
}

void Hdf5Image::lay_out() { check(H5Fflush(file_, H5F_SCOPE_GLOBAL), "H5Fflush"); }

std::span<std::byte> Hdf5Image::bytes() {
  void* memory = nullptr;
  check(H5Fget_vfd_handle(file_, H5P_DEFAULT, &memory), "H5Fget_vfd_handle");
  hsize_t size = 0;
  check(H5Fget_filesize(file_, &size), "H5Fget_filesize");
  return {*static_cast<std::byte**>(memory), static_cast<std::size_t>(size)};
}

std::uint64_t Hdf5Image::address(std::size_t data) const { return H5Dget_offset(data_.at(data)); }

}  // namespace vitrail::trainer
