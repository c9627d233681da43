; The volatile memcpy family: piece by piece, on the sides that others may see.

declare void @llvm.memcpy.p0.p0.i64(ptr nocapture writeonly, ptr nocapture readonly, i64, i1)
declare void @llvm.memset.p0.i64(ptr nocapture writeonly, i8, i64, i1)

define void @both(ptr %to, ptr %from, i64 %n) {
; CHECK-LABEL: @both(
; CHECK-NEXT: {{.*}}@__castor_copy(ptr {{.*}}%to, ptr {{.*}}%from, i64 %n, i32 3)
; CHECK-NEXT: ret void
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %n, i1 true)
  ret void
}

define void @toLocal(ptr %from) {
; CHECK-LABEL: @toLocal(
; CHECK: {{.*}}@__castor_copy(ptr {{.*}}%local, ptr {{.*}}%from, i64 32, i32 1)
  %local = alloca [32 x i8]
  call void @llvm.memcpy.p0.p0.i64(ptr %local, ptr %from, i64 32, i1 true)
  ret void
}

define void @fill(ptr %to) {
; CHECK-LABEL: @fill(
; CHECK-NEXT: {{.*}}@__castor_fill(ptr {{.*}}%to, i32 7, i64 32)
; CHECK-NEXT: ret void
  call void @llvm.memset.p0.i64(ptr %to, i8 7, i64 32, i1 true)
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
