#include "worker/hf_folder.h"

#include <algorithm>
#include <filesystem>

#include "schedule/error.h"
#include "worker/hash.h"
#include "worker/hf_config.h"
#include "worker/hf_tensors.h"
#include "worker/hf_tokenizer.h"
#include "worker/safetensors.h"

namespace brinkmap::worker {

namespace {

namespace fs = std::filesystem;

// What tensors point into.
struct Owner {
  std::shared_ptr<const SafetensorsFolder> folder;
  HfStorage storage;
};

// All that a result can depend on.
std::vector<std::string> used_files(const std::string& path, const SafetensorsFolder& folder) {
  std::vector<std::string> files = folder.files();
  files.emplace_back("config.json");
  for (const std::string& name : hf_tokenizer_files(path)) files.push_back(name);
  std::sort(files.begin(), files.end());
  return files;
}

// Over names and contents, sorted by name, so that where the folder lies does not matter.
std::string hash_files(const std::string& path, const std::vector<std::string>& files) {
  Sha256 hash;
  for (const std::string& file : files)
    hash.update(file + '\n' + sha256_file((fs::path(path) / file).string()) + '\n');
  return hash.hex();
}

// llama.cpp's file type of the format that most weights have (include/llama.h, llama_ftype); none for
// packings that it does not know.
void add_file_type(CheckpointParts& parts) {
  std::map<kernels::Format, std::int64_t> elements;
  for (const GgufTensor& tensor : parts.tensors)
    if (tensor.shape.size() > 1) elements[tensor.format] += tensor.elements();
  const auto most = std::max_element(elements.begin(), elements.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == elements.end() || kernels::format_info(most->first).block != 1) return;
  const std::uint32_t type = most->first == kernels::Format::kF32   ? 0
                             : most->first == kernels::Format::kF16 ? 1
                                                                    : 32;
  parts.keys.emplace_back("general.file_type");
  parts.metadata.emplace("general.file_type", gguf_u32(type));
}

}  // namespace

CheckpointParts read_hf_folder(const std::string& path) {
  const std::string config_path = (fs::path(path) / "config.json").string();
  std::error_code error;
  if (!fs::exists(config_path, error))
    throw InputError(path, "",
                     "is a folder without config.json: expected a GGUF file or a Hugging Face folder");
  const HfConfig config = read_hf_config(config_path);
  const auto owner = std::make_shared<Owner>();
  owner->folder = SafetensorsFolder::open(path);
  CheckpointParts parts;
  parts.path = path;
  for (const auto& [key, value] : config.metadata) {
    parts.keys.push_back(key);
    parts.metadata.emplace(key, value);
  }
  add_hf_tensors(config, *owner->folder, owner->storage, parts.tensors);
  add_file_type(parts);
  if (fs::exists(fs::path(path) / "tokenizer.json", error)) add_hf_tokenizer(path, parts);
  parts.owner = owner;
  const std::vector<std::string> files = used_files(path, *owner->folder);
  for (const std::string& file : files) parts.bytes += fs::file_size(fs::path(path) / file);
  parts.sha256 = [path, files] { return hash_files(path, files); };
  return parts;
}

}  // namespace brinkmap::worker
