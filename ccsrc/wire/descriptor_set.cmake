# Makes descriptor_set.cc: `cmake -DPROTOC=<command> -DPROTO_FOLDER=<proto/> -DOUTPUT=<descriptor_set.cc> -P descriptor_set.cmake`.
# The files get the names in the descriptors that other servers give them.
get_filename_component(folder ${OUTPUT} DIRECTORY)
set(import_folder ${folder}/descriptor_set)
file(COPY ${PROTO_FOLDER}/ms_service.proto DESTINATION ${import_folder}/mindspore_serving/proto)
file(MAKE_DIRECTORY ${import_folder}/grpc/health/v1)
configure_file(${PROTO_FOLDER}/grpc/health.proto ${import_folder}/grpc/health/v1/health.proto COPYONLY)
file(READ ${PROTO_FOLDER}/grpc/reflection.proto reflection)
file(WRITE ${import_folder}/grpc/reflection/v1/reflection.proto "${reflection}")
string(REPLACE "package grpc.reflection.v1;" "package grpc.reflection.v1alpha;" reflection "${reflection}")
file(WRITE ${import_folder}/grpc/reflection/v1alpha/reflection.proto "${reflection}")

execute_process(
  COMMAND ${PROTOC} -I${import_folder} --descriptor_set_out=${folder}/descriptor_set.bin mindspore_serving/proto/ms_service.proto
          grpc/health/v1/health.proto grpc/reflection/v1/reflection.proto grpc/reflection/v1alpha/reflection.proto
  RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${PROTOC} could not compile the files of ${PROTO_FOLDER}")
endif()
file(READ ${folder}/descriptor_set.bin bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REPEAT "0x..," 12 line)
string(REGEX REPLACE "(${line})" "\\1\n  " bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"wire/descriptor_set.h\"\n
namespace mindspore::serving {\nnamespace {\n
constexpr unsigned char kBytes[] = {\n  ${bytes}};\n
}  // namespace\n
ByteSpan DescriptorSet() { return std::as_bytes(std::span(kBytes)); }\n
}  // namespace mindspore::serving\n")
