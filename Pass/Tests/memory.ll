; The volatile memcpy family: ordered by the address that others may see, and what was written is recorded.

declare void @llvm.memcpy.p0.p0.i64(ptr nocapture writeonly, ptr nocapture readonly, i64, i1)
declare void @llvm.memset.p0.i64(ptr nocapture writeonly, i8, i64, i1)

define void @both(ptr %to, ptr %from, i64 %n) {
; CHECK-LABEL: @both(
; CHECK-NEXT: {{.*}}@__castor_region_begin(ptr %to)
; CHECK-NEXT: {{.*}}@llvm.memcpy
; CHECK-NEXT: {{.*}}@__castor_region_output(ptr %to, i64 %n)
; CHECK-NEXT: {{.*}}@__castor_region_end(ptr %to)
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %n, i1 true)
  ret void
}

define void @toLocal(ptr %from) {
; CHECK-LABEL: @toLocal(
; CHECK: {{.*}}@__castor_region_begin(ptr %from)
; CHECK: {{.*}}@__castor_region_output(ptr %local, i64 32)
  %local = alloca [32 x i8]
  call void @llvm.memcpy.p0.p0.i64(ptr %local, ptr %from, i64 32, i1 true)
  ret void
}

define void @localOnly() {
; CHECK-LABEL: @localOnly(
; CHECK-NOT: @__castor
; CHECK: ret void
  %local = alloca [32 x i8]
  call void @llvm.memset.p0.i64(ptr %local, i8 0, i64 32, i1 true)
  ret void
}

define void @plain(ptr %to) {
; CHECK-LABEL: @plain(
; CHECK-NOT: @__castor
; CHECK: ret void
  call void @llvm.memset.p0.i64(ptr %to, i8 0, i64 32, i1 false)
  ret void
}
