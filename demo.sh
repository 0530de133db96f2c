#!/bin/sh
# The demos. Each runs a system's whole way on sample data: make the data, train, test, compare.
#
#   sh demo.sh               the smoothing demo (a few minutes on two cores)
#   sh demo.sh NAME ...      the named demos; 'all' runs every one
#   sh demo.sh --list        the demos, one line each
#
# SMOOTHKIT_QUICK=1 runs the same commands in seconds, on a handful of tiny images. Data are kept for
# the next time, networks are trained anew. Without an environment one is made in .venv.
set -eu
cd "$(dirname "$0")"

DEMOS="smoothing csgis enhance sr metrics matting"
SUMMARY_csgis="CSGIS-Net on a miniature VOC-smooth, beside JESS-Net and filters (after smoothing)"
SUMMARY_enhance="two small enhancement networks and two filters make versions; patches for annotators"
SUMMARY_sr="a small RRDB by pixels, then with positive and negative ground truths, tested"
SUMMARY_metrics="its results and bicubic enlargement against all positive ground truths (after sr)"
SUMMARY_matting="a small LSA network on composed images, beside closed-form and KNN matting"
SUMMARY_smoothing="JESS-Net on blended pairs, beside bilateral, rolling guidance, L0 and RTV filters"

list() {
    for name in $DEMOS; do
        eval "echo \"$name: \$SUMMARY_$name\""
    done
}

say() { printf '\n== %s\n' "$*"; }

run() {
    printf '+ %s\n' "$*"
    "$@"
}

python() { run "$PYTHON" "$@"; }

find_python() {
    wanted=${PYTHON:-}
    for PYTHON in $wanted .venv/bin/python python3; do
        if "$PYTHON" -c 'import smoothkit' 2>/dev/null; then
            return
        fi
    done
    say "making the environment in .venv (once, some minutes)"
    PYTHON=${wanted:-python3} sh scripts/make_env.sh
    PYTHON=.venv/bin/python
}

smoothing() {
    QUICK="" NUM_TEST="--num_test 20"
    [ "${SMOOTHKIT_QUICK:-0}" = 0 ] || QUICK=_quick NUM_TEST="--num_test 2"
    SAMPLES=datasets/samples$QUICK
    SPS=datasets/SPS_demo$QUICK
    CONFIG="name=JESSNet_demo$QUICK datasets:val:dataroot=$SPS/val"
    CONFIG="$CONFIG datasets:train:dataroot_gt=$SPS/smooth/train"
    CONFIG="$CONFIG datasets:train:dataroot_texture=$SAMPLES/train/textures"
    [ -z "$QUICK" ] || CONFIG="$CONFIG train:total_iter=4 val:val_freq=4 logger:print_freq=1"

    say "sample photographs and textures"
    # Seed 0 drew the textures on which the training was tried out.
    python scripts/data_preparation/make_sample_data.py --out_dir "$SAMPLES" --seed 1
    say "ground truths: photographs smoothed by the RTV filter"
    for half in train test; do
        python scripts/data_preparation/make_smooth_gt.py --method rtv --set lam=0.01 \
            --photo_dir "$SAMPLES/$half/photographs" --out_dir "$SPS/smooth/$half"
    done
    say "the SPS data set: every texture over every ground truth; a tenth for validation"
    python scripts/data_preparation/blend_sps.py \
        --tx_dir "$SAMPLES/train/textures" --bg_dir "$SPS/smooth/train" --out_dir "$SPS"
    python scripts/data_preparation/split_val.py --train_dir "$SPS/train" --val_dir "$SPS/val"
    python scripts/data_preparation/blend_sps.py \
        --tx_dir "$SAMPLES/test/textures" --bg_dir "$SPS/smooth/test" --out_dir "$SPS/held_out"
    say "training JESS-Net"
    # shellcheck disable=SC2086  # the words of $CONFIG are separate options
    python -m smoothkit.train -opt options/train/jess/train_JESSNet_demo.yml --force_yml $CONFIG
    say "testing it on held-out pairs"
    python -m smoothkit.test -opt options/test/jess/test_JESSNet_demo.yml --force_yml \
        "name=JESSNet_demo$QUICK" "datasets:test_1:dataroot=$SPS/held_out/train" \
        "path:pretrain_network_g=experiments/JESSNet_demo$QUICK/models/net_g_latest.pth"
    say "the filters, tuned on training pairs, beside it"
    python scripts/metrics/compare_filters.py --train_dir "$SPS/train" \
        --test_dir "$SPS/held_out/train" $NUM_TEST --results "JESS-Net=results/JESSNet_demo$QUICK/visualization/held_out" \
        --note "Ground truths: photographs smoothed by the RTV filter (lambda 0.01)." \
        --out_dir "results/JESSNet_demo$QUICK"
}

csgis() {
    QUICK="" NUM_TEST="--num_test 20"
    [ "${SMOOTHKIT_QUICK:-0}" = 0 ] || QUICK=_quick NUM_TEST="--num_test 2"
    JESS=results/JESSNet_demo$QUICK/visualization/held_out
    [ -d "$JESS" ] || smoothing
    SAMPLES=datasets/samples$QUICK SPS=datasets/SPS_demo$QUICK
    VOC=datasets/VOC_demo$QUICK SMOOTH=datasets/VOC-smooth_demo$QUICK
    TEACHER=experiments/DeepLab_demo$QUICK/models/net_g_latest.pth
    DATA="datasets:train:dataroot_gt=$SMOOTH/gt"
    DATA="$DATA datasets:train:dataroot_texture=$SAMPLES/train/textures"
    DATA="$DATA datasets:train:dataroot_segmentation=$SMOOTH/seg"
    CONFIG="$DATA name=CSGISNet_demo$QUICK datasets:val:dataroot=$SMOOTH/val"
    CONFIG="$CONFIG datasets:train:dataroot_over=$SMOOTH/over train:seg_opt:weights=$TEACHER"
    [ -z "$QUICK" ] || DATA="$DATA train:total_iter=4 logger:print_freq=1"
    [ -z "$QUICK" ] || CONFIG="$CONFIG train:total_iter=4 val:val_freq=4 logger:print_freq=1"

    say "a miniature VOC: sample photographs, with masks by a classical segmentation"
    python scripts/data_preparation/make_sample_voc.py --photo_dir "$SAMPLES/train/photographs" \
        --out_dir "$VOC" --num_classes 6
    say "VOC-smooth: pairs, edges, masks and over-smoothed images"
    python scripts/data_preparation/make_voc_smooth.py --voc_dir "$VOC" --num_classes 6 \
        --tx_dir "$SAMPLES/train/textures" --gt_dir "$SPS/smooth/train" --out_dir "$SMOOTH" \
        --over_filters bilateral_opencv:d=45 l0:lam=0.05 rtv:lam=0.04:sigma=5
    say "training a network that segments, which teaches the next one"
    # shellcheck disable=SC2086  # the words of $DATA are separate options
    python -m smoothkit.train -opt options/train/csgis/train_DeepLab_demo.yml --force_yml \
        "name=DeepLab_demo$QUICK" $DATA
    say "training CSGIS-Net"
    # shellcheck disable=SC2086  # the words of $CONFIG are separate options
    python -m smoothkit.train -opt options/train/csgis/train_CSGISNet_demo.yml --force_yml $CONFIG
    say "testing it on the held-out pairs of the smoothing demo"
    python -m smoothkit.test -opt options/test/csgis/test_CSGISNet_demo.yml --force_yml \
        "name=CSGISNet_demo$QUICK" "datasets:test_1:dataroot=$SPS/held_out/train" \
        "path:pretrain_network_g=experiments/CSGISNet_demo$QUICK/models/net_g_latest.pth"
    say "JESS-Net and filters beside it"
    # shellcheck disable=SC2086  # two words
    python scripts/metrics/compare_filters.py --train_dir "$SPS/train" \
        --test_dir "$SPS/held_out/train" $NUM_TEST --filters rtv \
        --also over-smoothed=rtv:lam=0.06:sigma=8 under-smoothed=rtv:lam=0.002:sigma=3 \
        --results "JESS-Net=$JESS" \
        "CSGIS-Net=results/CSGISNet_demo$QUICK/visualization/held_out" \
        --note "Ground truths: photographs smoothed by the RTV filter (lambda 0.01)." \
        --out_dir "results/CSGISNet_demo$QUICK"
}

enhance() {
    QUICK="" STEP=48 SIZE=160
    [ "${SMOOTHKIT_QUICK:-0}" = 0 ] || QUICK=_quick STEP=96 SIZE=96
    SAMPLES=datasets/samples$QUICK DATA=datasets/Enhance_demo$QUICK
    photographs=$SAMPLES/train/photographs clean=$SAMPLES/test/photographs
    prepare=scripts/data_preparation

    say "sample photographs"
    python $prepare/make_sample_data.py --out_dir "$SAMPLES" --seed 1
    say "crops to train with, and a list of them"
    python $prepare/extract_subimages.py --input "$photographs" --output "$DATA/sub" \
        --crop_size 96 --step "$STEP"
    python $prepare/generate_meta_info.py --input "$DATA/sub" --root "$DATA/sub" \
        --meta_info "$DATA/meta_info.txt"
    for pair in RCAN:noisy ELAN:blurred; do
        network=${pair%:*} degraded=$DATA/${pair#*:}
        file=options/train/hggt_enhance/train_Enhance${network}_demo.yml
        say "held-out photographs, ${pair#*:}"
        python $prepare/make_lq.py -opt "$file" --gt_dir "$clean" --out_dir "$degraded"
        say "training a small $network on them"
        CONFIG="name=Enhance${network}_demo$QUICK datasets:train:dataroot_gt=$DATA/sub"
        CONFIG="$CONFIG datasets:train:meta_info=$DATA/meta_info.txt"
        CONFIG="$CONFIG datasets:val:dataroot_gt=$clean datasets:val:dataroot_lq=$degraded"
        [ -z "$QUICK" ] || CONFIG="$CONFIG train:total_iter=4 val:val_freq=4 logger:print_freq=1"
        # shellcheck disable=SC2086  # the words of $CONFIG are separate options
        python -m smoothkit.train -opt "$file" --force_yml $CONFIG
        say "how near the clean photographs are, ${pair#*:} and enhanced"
        enhanced=results/Enhance_demo$QUICK/${pair#*:}
        python -m smoothkit.inference -m "experiments/Enhance${network}_demo$QUICK/models/net_g_latest.pth" \
            -i "$degraded" -o "$enhanced"
        for folder in "$degraded" "$enhanced"; do
            python scripts/metrics/evaluate_smoothing.py --pred_dir "$folder" --gt_dir "$clean" \
                --title "${folder%%/*}, ${pair#*:}" --out_dir "results/Enhance_demo$QUICK/${folder%%/*}_${pair#*:}"
        done
    done
    say "versions of every photograph, by these two networks and two filters"
    cat >"$DATA/versions.yml" <<END
versions:
  - {folder: "01", weights: experiments/EnhanceRCAN_demo$QUICK/models/net_g_latest.pth}
  - {folder: "02", weights: experiments/EnhanceELAN_demo$QUICK/models/net_g_latest.pth}
  - {folder: "03", method: unsharp}
  - {folder: "04", method: detail_boost}
END
    python $prepare/make_enhanced_gt.py --photo_dir "$photographs" --out_dir "$DATA/EnhancedGT" \
        --versions "$DATA/versions.yml"
    say "patches with contrast and detail"
    python $prepare/patch_select.py --img_path "$DATA/EnhancedGT" --save_path "$DATA/patches" \
        --crop_size "$SIZE" --step_size 96
    say "groups of them, for one annotator each"
    python $prepare/regroup.py --img_path "$DATA/patches" --save_path "$DATA/groups" --num_imgs 20
    versions=$DATA/EnhancedGT
    python scripts/metrics/picture_table.py --out "results/Enhance_demo$QUICK/versions.png" \
        --columns "RCAN=$versions/01" "ELAN=$versions/02" "unsharp=$versions/03" \
        "detail boost=$versions/04" "original=$versions/original"
    say "what was kept: $DATA/patches/contact.html"
}

sr_names() {
    QUICK=""
    [ "${SMOOTHKIT_QUICK:-0}" = 0 ] || QUICK=_quick
    SAMPLES=datasets/samples$QUICK HGGT=datasets/HGGT_demo$QUICK
    NETWORKS="RRDB_demo RRDB_Pos_demo RRDB_PosNeg_demo"
}

sr() {
    sr_names
    say "sample photographs"
    python scripts/data_preparation/make_sample_data.py --out_dir "$SAMPLES" --seed 1
    say "a miniature HGGT: versions by sharpening, labels by rule"
    photographs=$SAMPLES/train/photographs
    make_hggt="scripts/data_preparation/make_sample_hggt.py --photo_dir"
    # shellcheck disable=SC2086  # two words
    python $make_hggt "$photographs" --out_dir "$HGGT/train" --skip 'coffee*'
    # shellcheck disable=SC2086
    python $make_hggt "$photographs" --out_dir "$HGGT/val" --only 'coffee*'
    # shellcheck disable=SC2086
    python $make_hggt "$SAMPLES/test/photographs" --out_dir "$HGGT/test"
    say "low-quality images to validate and test with"
    for part in val test; do
        python scripts/data_preparation/make_lq.py -opt options/train/hggt_sr/train_RRDB_demo.yml \
            --gt_dir "$HGGT/$part/images/original" --out_dir "$HGGT/$part/lq"
    done
    for network in $NETWORKS; do
        say "training $network"
        CONFIG="name=$network$QUICK"
        CONFIG="$CONFIG datasets:train:dataroot_gt=$HGGT/train/images"
        CONFIG="$CONFIG datasets:train:dataroot_labels=$HGGT/train/labels"
        CONFIG="$CONFIG datasets:val:dataroot_gt=$HGGT/val/images/original"
        CONFIG="$CONFIG datasets:val:dataroot_lq=$HGGT/val/lq"
        [ "$network" = RRDB_demo ] ||
            CONFIG="$CONFIG path:pretrain_network_g=experiments/RRDB_demo$QUICK/models/net_g_latest.pth"
        [ -z "$QUICK" ] || CONFIG="$CONFIG train:total_iter=4 val:val_freq=4 logger:print_freq=1"
        # shellcheck disable=SC2086  # the words of $CONFIG are separate options
        python -m smoothkit.train -opt "options/train/hggt_sr/train_$network.yml" \
            --force_yml $CONFIG
        say "testing it on held-out photographs"
        python -m smoothkit.test -opt options/test/hggt_sr/test_RRDB_demo.yml --force_yml \
            "name=$network$QUICK" "datasets:test_1:dataroot_gt=$HGGT/test/images/original" \
            "datasets:test_1:dataroot_lq=$HGGT/test/lq" \
            "path:pretrain_network_g=experiments/$network$QUICK/models/net_g_latest.pth"
    done
}

metrics() {
    sr_names
    [ -d "results/RRDB_PosNeg_demo$QUICK/visualization/held_out" ] || sr
    out=results/HGGT_demo$QUICK
    say "bicubic enlargement"
    python scripts/data_preparation/enlarge.py --lq_dir "$HGGT/test/lq" --out_dir "$out/bicubic"
    restored=$out/bicubic names=bicubic columns="LQ=$HGGT/test/lq bicubic=$out/bicubic"
    for network in $NETWORKS; do
        folder=results/$network$QUICK/visualization/held_out
        restored="$restored $folder" names="$names ${network%_demo}"
        columns="$columns ${network%_demo}=$folder"
    done
    say "PSNR and SSIM against all positive ground truths, the best first"
    # shellcheck disable=SC2086  # folders and names are separate options
    python scripts/metrics/calculate_multigt_labeled.py --gts "$HGGT/test/images" --plot \
        --json_path "$HGGT/test/labels" --restored $restored --names $names --out_dir "$out"
    # shellcheck disable=SC2086
    python scripts/metrics/picture_table.py --out "$out/comparison.png" --columns $columns \
        "original=$HGGT/test/images/original"
}

matting() {
    QUICK="" SMALL=""
    [ "${SMOOTHKIT_QUICK:-0}" = 0 ] || QUICK=_quick SMALL="--num_each 1 --side 96"
    SAMPLES=datasets/samples$QUICK DATA=datasets/matting_demo$QUICK
    "$PYTHON" -c 'import pymatting' 2>/dev/null || {
        echo "demo.sh: matting is compared with pymatting: $PYTHON -m pip install pymatting" >&2
        exit 2
    }

    say "sample photographs"
    python scripts/data_preparation/make_sample_data.py --out_dir "$SAMPLES" --seed 1
    say "foregrounds of photographs with drawn alphas: soft blobs, strands of hair, lace"
    photographs=$SAMPLES/train/photographs
    make_sample=scripts/data_preparation/make_sample_matting.py
    # shellcheck disable=SC2086  # the words of $SMALL are separate options
    python $make_sample --photo_dir "$photographs" --out_dir "$DATA/train" --skip 'c[ao][fm]*' $SMALL
    # shellcheck disable=SC2086
    python $make_sample --photo_dir "$photographs" --out_dir "$DATA/val" --only 'c[ao][fm]*_[01]' \
        --num_each 1 $SMALL
    # shellcheck disable=SC2086
    python $make_sample --photo_dir "$SAMPLES/test/photographs" --out_dir "$DATA/test" \
        --only '*_0' $SMALL
    say "training foregrounds made locally smooth"
    python scripts/data_preparation/reestimate_foreground.py --fg_dir "$DATA/train/fg" \
        --alpha_dir "$DATA/train/alpha" --out_dir "$DATA/train/kappa_fg"
    for part in val test; do
        say "test images: $part foregrounds before other photographs, with trimaps"
        python scripts/data_preparation/make_trimaps.py --alpha_dir "$DATA/$part/alpha" \
            --out_dir "$DATA/$part/trimaps_fg" --radius 4 12
        python scripts/data_preparation/compose_matting_test.py --fg_dir "$DATA/$part/fg" \
            --alpha_dir "$DATA/$part/alpha" --bg_dir "$DATA/$part/coco_bg" \
            --fg_list "$DATA/$part/test_fg_names.txt" --bg_list "$DATA/$part/test_bg_names.txt" \
            --trimap_dir "$DATA/$part/trimaps_fg" --per_foreground 2 --out_dir "$DATA/$part"
    done
    say "training a small network"
    CONFIG="name=LSA_demo$QUICK datasets:train:dataroot=$DATA/train datasets:val:dataroot=$DATA/val"
    [ -z "$QUICK" ] || CONFIG="$CONFIG train:total_iter=4 val:val_freq=4 logger:print_freq=1"
    # shellcheck disable=SC2086  # the words of $CONFIG are separate options
    python -m smoothkit.train -opt options/train/lsa/train_LSA_demo.yml --force_yml $CONFIG
    say "testing it on held-out photographs"
    python -m smoothkit.test -opt options/test/lsa/test_LSA_demo.yml --force_yml \
        "name=LSA_demo$QUICK" "datasets:test_1:dataroot=$DATA/test" \
        "path:pretrain_network_g=experiments/LSA_demo$QUICK/models/net_g_latest.pth"
    say "methods that need no training beside it"
    python scripts/metrics/compare_matting.py --data_dir "$DATA/test" \
        --results "LSA=results/LSA_demo$QUICK/visualization/held_out" --num_shown 6 \
        --out_dir "results/LSA_demo$QUICK/compared"
}

case "${1:-}" in
-h | --help)
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' demo.sh
    exit
    ;;
--list)
    list
    exit
    ;;
esac
[ $# -gt 0 ] || set -- smoothing
[ "$1" != all ] || set -- $DEMOS
for name in "$@"; do
    case " $DEMOS " in
    *" $name "*) ;;
    *)
        echo "demo.sh: no demo is called '$name'. There are: $DEMOS, and all." >&2
        exit 2
        ;;
    esac
done
find_python
for name in "$@"; do
    "$name"
done

# Full size, for data and hardware of your own: uncomment what you need.
#
# Easy2Hard / JESS-Net. datasets/SPS: see datasets/README.md.
# python -m smoothkit.train -opt options/train/jess/train_Baseline.yml
# python -m smoothkit.train -opt options/train/jess/train_HDC.yml
# python -m smoothkit.train -opt options/train/jess/train_HDC_edge.yml
# python -m smoothkit.train -opt options/train/jess/train_JESSNet.yml
# python -m smoothkit.train -opt options/train/jess/train_JESSNet_paper.yml
# torchrun --nproc_per_node=4 -m smoothkit.train -opt options/train/jess/train_JESSNet.yml
# python -m smoothkit.test -opt options/test/jess/test_JESSNet.yml
#
# CSGIS-Net. datasets/VOC-smooth: see datasets/README.md. VGG16's and DeepLabV3+'s weights go below
# experiments/pretrained_models.
# python scripts/data_preparation/make_voc_smooth.py --voc_dir datasets/VOCdevkit/VOC2012 \
#     --tx_dir datasets/VOC-smooth/textures --out_dir datasets/VOC-smooth
# python -m smoothkit.train -opt options/train/csgis/train_CSGISNet.yml
# python -m smoothkit.train -opt options/train/csgis/train_CSGISNet_baseline.yml
# python -m smoothkit.train -opt options/train/csgis/train_CSGISNet_contrast.yml
# python -m smoothkit.train -opt options/train/csgis/train_CSGISNet_segmentation.yml
# torchrun --nproc_per_node=4 -m smoothkit.train -opt options/train/csgis/train_CSGISNet.yml
# python -m smoothkit.test -opt options/test/csgis/test_NKS.yml
#
# HGGT enhancement. datasets/DF2K_OST: see datasets/README.md; weights go below
# experiments/pretrained_models/enhancement.
# python -m smoothkit.train -opt options/train/hggt_enhance/train_EnhanceRCAN_01.yml
# python -m smoothkit.train -opt options/train/hggt_enhance/train_EnhanceRCAN_02.yml
# python -m smoothkit.train -opt options/train/hggt_enhance/train_EnhanceELAN_03.yml
# python -m smoothkit.train -opt options/train/hggt_enhance/train_EnhanceELAN_04.yml
# python scripts/data_preparation/make_enhanced_gt.py --photo_dir datasets/MultiGT1600 \
#     --out_dir datasets/EnhancedGT --preset hggt
# python scripts/data_preparation/patch_select.py --img_path datasets/EnhancedGT \
#     --save_path datasets/EnhancedGT_patches
# python scripts/data_preparation/regroup.py --img_path datasets/EnhancedGT_patches \
#     --save_path datasets/EnhancedGT_groups
#
# HGGT super-resolution. datasets/HGGT and datasets/Test: see datasets/README.md. Each of the option
# files has a test file of the same name; weights go below experiments/pretrained_models.
# python -m smoothkit.train -opt options/train/hggt_sr/train_RRDB_DF2K_OST_Blind_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_RRDBGAN_PosNegGT_Blind_Ori_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_RRDBGAN_PosNegGT_Blind_Pos_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_RRDBGAN_PosNegGT_Blind_Pos+Neg_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_SwinIR_DF2K_OST_Blind_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_SwinIRGAN_PosNegGT_Blind_Ori_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_SwinIRGAN_PosNegGT_Blind_Pos_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_SwinIRGAN_PosNegGT_Blind_Pos+Neg_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_LDL_noGAN_DF2K_OST_Blind_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_LDL_DF2K_OST_Blind_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_LDL_PosNegGT_Blind_Pos_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_RealESRNet_DF2K_OST_Blind_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_RealESRGAN_DF2K_OST_Blind_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_RealESRGAN_PosNegGT_Blind_Pos_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_AdaTarget_DF2K_OST_Blind_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_AdaTargetGAN_DF2K_OST_Blind_x4.yml
# python -m smoothkit.train -opt options/train/hggt_sr/train_AdaTargetGAN_PosNegGT_Blind_Pos_x4.yml
# torchrun --nproc_per_node=4 -m smoothkit.train -opt options/train/hggt_sr/train_RRDBGAN_PosNegGT_Blind_Pos+Neg_x4.yml
# python -m smoothkit.test -opt options/test/hggt_sr/test_RRDBGAN_PosNegGT_Blind_Pos+Neg_x4.yml
# python scripts/metrics/calculate_multigt_labeled.py --metrics psnr,ssim,lpips,dists --restored \
#     results/test_RRDBGAN_PosNegGT_Blind_Pos+Neg_x4/visualization/Test-100
